"""Weight files that ship with the package, each with its card in `manifest.toml`."""
