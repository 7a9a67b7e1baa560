#!/bin/sh
# In a checkout. The script comes with the agent's package, and lies beside the helper that it installs.
exec sh "$(dirname "$0")/../packages/agent/pam/install-pam.sh" "$@"
