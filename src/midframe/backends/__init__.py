"""Where work is done beside this process: `local.LocalExecutor` uses other processes of this machine."""
