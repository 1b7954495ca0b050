"""Strategies behind one protocol: what may be known, and the weights that are wanted.

A strategy is a function `decide(view: View) -> dict[str, float] | None`, called before every session but the first. It
sees only what is known then (`protocol.View`) and gives back the weight of each symbol in the account: symbols that are
missing are sold, negative weights are sold short where that is allowed, None leaves everything as it is. Weights become
orders at the last known closes; the exchange fills, cuts or rejects each.

`rules` holds the shipped ones. topk_dropout alone is compiled whole (`kernel.topk_dropout`): its purchases follow its
own executed sales, which no weight can say.
"""
