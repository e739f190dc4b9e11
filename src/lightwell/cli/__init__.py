"""The command line: `lightwell.cli.app` and one module per command."""
