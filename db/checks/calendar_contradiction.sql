-- warning: most symbols have bars on a day or at a time at which the exchange's calendar is closed: wrong exchange in kq.yaml, stamps in another time zone or at the start of bars, or a session missing from the calendar.
SELECT row
FROM incoming
WHERE date NOT IN (SELECT date FROM sessions)
UNION ALL
SELECT row
FROM incoming AS i
SEMI JOIN hours AS known ON known.date = i.date
ANTI JOIN hours AS h ON h.date = i.date AND i.time > h.open AND i.time <= h.close;
