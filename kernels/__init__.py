"""GPU operations, one a file: a formula, a plain torch reference, a Triton kernel, its launcher."""
