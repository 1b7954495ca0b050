-- Every stored signal, a row a recipe, "asof" (a word that SQL wants quoted) and symbol. The files are those of the
-- variable `signal_files`, which kronos_quant.signals.attach_signals sets. Raw scores: what a recipe's steps make of
-- them is not here.
CREATE OR REPLACE VIEW signals AS
SELECT parse_path(filename)[-2] AS recipe, * EXCLUDE (filename)
FROM read_parquet(getvariable('signal_files'), union_by_name = true, filename = true);
