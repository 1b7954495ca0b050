-- warning: bars on a day or at a time at which the exchange's calendar has it closed, yet most trade then: the wrong exchange in kq.yaml, stamps in another zone or of the bars' start, or a calendar that lacks a session.
SELECT row
FROM incoming
WHERE date NOT IN (SELECT date FROM sessions)
UNION ALL
SELECT row
FROM incoming AS i
SEMI JOIN hours AS known ON known.date = i.date
ANTI JOIN hours AS h ON h.date = i.date AND i.time > h.open AND i.time <= h.close;
