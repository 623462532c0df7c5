-- The devices in a refresh loop: a refresh succeeds, the next protected call is refused, and that at least twice with
-- no call accepted in between. Rows were inserted in the order of the file, so rowid tells ties of the clock apart.
create temp table found as
with event as (
    select
        hash(device) as number,
        device,
        ts,
        rowid as line,
        case
            when method = 'POST' and target like '/api/auth/refresh%' then if(status = 200, 'refreshed', null)
            when target like '/api/auth/%' or target not like '/api/%' then null
            when status = 401 then 'refused'
            when status between 200 and 299 or status in (304, 404, 422) then 'accepted'
        end as event
    from request
),
step as (
    select
        number,
        device,
        ts,
        event,
        lag(event) over own as before,
        sum(if(event = 'accepted', 1, 0)) over own as stretch
    from event
    where event is not null
    window own as (partition by number order by ts, line)
)
select any_value(device) as device, count(*) as cycles, min(ts) as first_seen, max(ts) as last_seen
from step
where event = 'refused' and before = 'refreshed'
group by number, stretch
having count(*) >= 2;

-- What the report charts: refusals a minute.
create temp table rate as
select date_trunc('minute', ts) as minute, count(*) as refused
from request
where status = 401
group by minute
order by minute;
