"""Built-in plugins, one a file; found through entry points, exactly as a stranger's package is."""

if __name__ != "gan_bench_plugins":
    # `import plugins.x` from the checkout's root would make a second copy of each class.
    raise ImportError("import gan_bench_plugins, not plugins")
