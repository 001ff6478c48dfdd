"""The linear relaxation: what the fleet could serve at best, and what its watts and slots are worth.

Identical domains, cells and demands are merged first; the merged program is small, whatever the fleet's
size. From it come targets (how much of which demand goes where) and prices, and from any prices at all a
bound that holds.
"""
