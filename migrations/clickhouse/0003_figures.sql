-- What analysts ask for. Views over rows by position, each row once (`final`): whatever was repeated, these are
-- right. Days are days in UTC.

-- Each purchase for real money, in one row.
create or replace view purchase_outcomes as
select receipt, any(p.player) as player,
       minIf(p.at, p.step = 'requested') as requested_at,
       anyIf(p.ware, p.step = 'requested') as ware,
       anyIf(p.quantity, p.step = 'requested') as quantity,
       anyIf(p.cents, p.step = 'requested') as cents,
       anyIf(p.currency, p.step = 'requested') as currency,
       anyIf(p.gold, p.step = 'requested') as gold,
       countIf(p.step = 'completed') > 0 as is_completed,
       maxIf(p.at, p.step = 'completed') as completed_at,
       countIf(p.step = 'failed') > 0 as is_failed,
       countIf(p.step = 'voided') > 0 as is_voided,
       anyIf(p.reason, p.step in ('failed', 'voided')) as reason,
       sumIf(p.cents, p.step = 'refunded') as refunded_cents,
       sumIf(p.cents, p.step = 'charged_back') as charged_back_cents
  from purchases as p final where p.step != 'bought' group by receipt;

create or replace view daily_revenue as
select day, currency, sum(sold) as sold_cents, sum(purchases) as purchases, sum(refunded) as refunded_cents,
       sum(charged_back) as charged_back_cents
  from (select toDate(o.completed_at) as day, o.currency as currency, o.cents as sold, 1 as purchases, 0 as refunded,
               0 as charged_back
          from purchase_outcomes as o where o.is_completed
         union all
        select toDate(back.at), o.currency, 0, 0, if(back.step = 'refunded', back.cents, 0),
               if(back.step = 'charged_back', back.cents, 0)
          from (select * from purchases final where step in ('refunded', 'charged_back')) as back
          join purchase_outcomes as o on o.receipt = back.receipt)
 group by day, currency;

create or replace view daily_active_players as
select toDate(a.at) as day, uniqExact(a.player) as players from activity as a final group by day;

-- Of those who signed up on a day: how many did anything so many days later.
create or replace view retention as
select toDate(s.at) as cohort, toUInt32(dateDiff('day', toDate(s.at), a.day)) as day_number,
       uniqExact(a.player) as players
  from (select * from sign_ups final) as s
  join (select distinct player, toDate(at) as day from activity final) as a on a.player = s.player
 where a.day >= toDate(s.at) group by cohort, day_number;

create or replace view daily_sign_ups as
select toDate(s.at) as day, uniqExact(s.player) as players from sign_ups as s final group by day;

create or replace view purchase_funnel as
select toDate(o.requested_at) as day, count() as requested, countIf(o.is_completed) as completed,
       countIf(o.is_failed) as failed, countIf(o.is_voided) as voided,
       countIf(not o.is_completed and not o.is_failed and not o.is_voided) as pending,
       countIf(o.refunded_cents > 0) as refunded, countIf(o.charged_back_cents > 0) as charged_back
  from purchase_outcomes as o group by day;

create or replace view payment_failures as
select toDate(p.at) as day, p.step as outcome, p.reason as reason, count() as purchases
  from purchases as p final where p.step in ('failed', 'voided') group by day, outcome, reason;

-- Sources and sinks: a debt that was repaid came in, one that was made went out.
create or replace view daily_gold as
select toDate(m.at) as day, m.movement as movement, m.counter_account as counter_account,
       sumIf(m.gold_paid + m.debt_paid, m.direction > 0) as paid_in,
       sumIf(m.gold_free + m.debt_free, m.direction > 0) as free_in,
       sumIf(m.gold_paid + m.debt_paid, m.direction < 0) as paid_out,
       sumIf(m.gold_free + m.debt_free, m.direction < 0) as free_out
  from gold_movements as m final group by day, movement, counter_account;

-- What each day changed of what players have and owe; sums up to a day are what is in circulation at its end.
create or replace view daily_circulation as
select toDate(m.at) as day, sum(toInt64(m.gold_paid) * m.direction) as paid,
       sum(toInt64(m.gold_free) * m.direction) as free,
       -sum(toInt64(m.debt_paid + m.debt_free) * m.direction) as debt
  from gold_movements as m final group by day;

create or replace view whales as
select o.player as player, o.currency as currency, count() as purchases, sum(o.cents) as sold_cents,
       sum(o.refunded_cents + o.charged_back_cents) as given_back_cents
  from purchase_outcomes as o where o.is_completed group by player, currency;

-- The log knows no sign-out of a player who just leaves. A session is a player's activity without a pause of half
-- an hour.
create or replace view sessions as
select player, session, min(at) as began_at, max(at) as ended_at, count() as events
  from (select player, at, sum(begins) over (partition by player order by at, position) as session
          from (select player, at, position,
                       dateDiff('second', lagInFrame(at, 1, toDateTime64('1970-01-01 00:00:00', 6, 'UTC'))
                         over (partition by player order by at, position), at) > 1800 as begins
                  from activity final))
 group by player, session;
