-- Each line is one column, and a pattern takes it apart. Four groups at most: with more, the engine (RE2) takes a way
-- that is more than twice as slow; what a group holds two of is split afterwards.
create temp table request as
with line as (
    select regexp_extract(
        line,
        '^([^ ]+) [^ ]+ [^ ]+ \[([^\]]+)\] "([^"]*)" (\d{3} [^ ]+ "[^"]*" "[^"]*")',
        ['ip', 'time', 'request', 'rest']
    ) as part
    from read_csv(
        $path, columns = {'line': 'VARCHAR'}, delim = chr(1), quote = '', escape = '', header = false,
        auto_detect = false, max_line_size = 1000000
    )
)
select
    part.ip || '|' || split_part(part.rest, '"', 4) as device,
    strptime(part.time, '%d/%b/%Y:%H:%M:%S %z') as ts,
    split_part(part.request, ' ', 1) as method,
    split_part(part.request, ' ', 2) as target,
    left(part.rest, 3)::usmallint as status
from line
where part.ip <> '';
