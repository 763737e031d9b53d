"""The HTML report: templates and what fills them."""

if __name__ != "gan_bench_reports":
    # `import reports.x` from the checkout's root would make a second copy of each module.
    raise ImportError("import gan_bench_reports, not reports")
