"""A simulation of the engine, the worker and the store: their real code, in made-up surroundings.

Time, network, platforms, Slack, people and crashes come from one seed, so that a history can be told
again. `python -m tests.simulation --help`
"""
