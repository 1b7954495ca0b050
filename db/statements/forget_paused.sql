-- What a source says of its sessions replaces what was said of them before.
DELETE FROM paused_sessions AS p
USING incoming AS i
WHERE p.freq = $freq AND p.symbol = i.symbol AND p.date = i.date;
