//! Command lines: flag tables, argparse habits, `--help`.
