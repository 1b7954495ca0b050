-- warning: the exchange was closed on that day or at that time: a wrong stamp, a filled-in holiday, a trade off the exchange, or the wrong exchange in kq.yaml.
SELECT row
FROM incoming
WHERE date NOT IN (SELECT date FROM sessions)
UNION ALL
-- bars are stamped at their end: the one stamped at the opening would have ended before it
SELECT row
FROM incoming AS i
SEMI JOIN hours AS known ON known.date = i.date
ANTI JOIN hours AS h ON h.date = i.date AND i.time > h.open AND i.time <= h.close;
