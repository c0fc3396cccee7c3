create table t(a integer primary key, b text, c integer);
with recursive n(x) as (select 1 union all select x + 1 from n where x < 120000)
  insert into t select x, printf('%05d', (x * 7919) % 20011), x % 97 from n;
create index i on t(b);
select count(*), min(b), max(b), sum(a) from t;
select sum(x.a * y.a % 7) from t x join t y on x.b = y.b and x.a < y.a;
select group_concat(s, '-') from (select distinct substr(b, 1, 3) s from t order by 1 limit 20);
select c, count(*) k, sum(length(b || a)) from t group by c order by k desc, c limit 5;
select b, count(*) over (order by b rows 20 preceding) from t order by a desc limit 3;
with recursive n(x, y) as (select 1, 1 union all select x + 1, (y * 31 + x) % 65521 from n where x < 3000000) select max(y), sum(y) from n;
