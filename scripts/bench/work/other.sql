create table p(id integer primary key, name text, parent integer);
create table w(word text, doc integer, place integer, primary key(word, doc, place)) without rowid;
with recursive n(x) as (select 1 union all select x + 1 from n where x < 30000)
  insert into p select x, lower(hex(x * 2654435761 % 4294967296)), x / 2 from n;
insert into w select substr(name, 1, 3), id % 500, id from p;
update p set name = replace(upper(name), 'A', '-') where id % 3 = 0;
delete from w where place % 7 = 0;
select count(*), count(distinct word) from w;
with recursive up(id, depth) as (select id, 0 from p where id > 29000 union all select p.parent, depth + 1 from up join p on p.id = up.id where p.parent > 0)
  select max(depth), count(*) from up;
select json_group_array(json_object('n', name, 'k', k)) from (select name, count(*) k from p where name like '%9_' group by substr(name, 1, 2) limit 20);
select sum(length(trim(name, '-'))), avg(instr(name, 'f')) from p;
