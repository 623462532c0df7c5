-- The combined log read as if it were CSV with blanks between the fields: quicker than a pattern, but a quotation mark
-- within a field (nginx writes \x22, Apache \") or a request without a method is beyond it.
create temp table request as
select
    ip || '|' || agent as device,
    strptime(time || ' ' || zone, '[%d/%b/%Y:%H:%M:%S %z]') as ts,
    split_part(request, ' ', 1) as method,
    split_part(request, ' ', 2) as target,
    status
from read_csv(
    $path, delim = ' ', quote = '"', escape = '', header = false, auto_detect = false, ignore_errors = true,
    columns = {
        'ip': 'VARCHAR', 'ident': 'VARCHAR', 'user': 'VARCHAR', 'time': 'VARCHAR', 'zone': 'VARCHAR',
        'request': 'VARCHAR', 'status': 'USMALLINT', 'bytes': 'VARCHAR', 'referer': 'VARCHAR', 'agent': 'VARCHAR'
    }
);
