"""One harness for all that nerx measures.

`command` is `nerx bench`. It opens `systems` (nerx, the machine's `limits`, other libraries in
`peers`), each behind a `driver` in a `process` of its own (`child`); `measure` lets them take
turns, `labels` compares what they found, `rows` is the result, which `report`, `plot` and
`regression` show. `suites` and `gpu` run the same for the project's figures, into `results/`.
"""
