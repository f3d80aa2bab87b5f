"""The constraint families of the siting model, one function each, grouped by idea.

A family multiplies and adds coefficients of :class:`~dcsite.optimize.inputs.Inputs`; its name is its row label,
the key of ``Plan.limits`` and the word used when a plan is explained. It returns None where nothing calls for it.
"""
