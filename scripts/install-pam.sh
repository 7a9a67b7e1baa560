#!/bin/sh
# Puts ThinMan into services of PAM, or takes it out again (docs/login-screens.md). On Debian and its relatives, as root.
#
#   install-pam.sh --data DIR [--account NAME | --own-accounts] SERVICE...     lightdm, gdm-password, login, xscreensaver, ...
#   install-pam.sh --remove SERVICE...
#
# A service keeps its own lines: only `@include common-auth`, `common-account` and `common-password` are replaced, each by a
# marked block in which the accounts of the machine go on to that include, and all others are asked of the agent.
set -eu

usage() {
  sed -n '4,5s/^# *//p' "$0" >&2
  exit 2
}
fail() {
  echo "install-pam.sh: $*" >&2
  exit 1
}

here=$(cd "$(dirname "$0")" && pwd)
source=$here/../packages/agent/pam/thinman-pam
helper=/usr/local/lib/thinman/thinman-pam
folder=/etc/pam.d
data=
account=kiosk
remove=
settings=1
while [ $# -gt 0 ]; do
  case $1 in
    --data) data=${2-}; shift 2 || usage ;;
    --account) account=${2-}; shift 2 || usage ;;
    --own-accounts) account=; shift ;;
    --remove) remove=1; shift ;;
    # For packages and tests: another place for the helper and the services, and no local.json.
    --helper) helper=${2-}; shift 2 || usage ;;
    --pam-folder) folder=${2-}; shift 2 || usage ;;
    --keep-settings) settings=; shift ;;
    -*) usage ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || usage

for service in "$@"; do
  [ -f "$folder/$service" ] || fail "there is no $folder/$service: name a service of this machine (ls $folder)"
done

# What an earlier run has put in, out again: the marked blocks go, and the lines that they had replaced come back.
without() {
  sed -e '/^# >>> thinman$/d' -e '/^# <<< thinman$/d' -e '/^[^#].* #thinman$/d' -e 's/^#thinman replaces: //' "$1"
}
replace() { # FILE CONTENT: whole or not at all, with the mode and the owner that it had
  draft=$1.thinman-new
  cp -p "$1" "$draft"
  printf '%s\n' "$2" >"$draft"
  mv "$draft" "$1"
}

if [ -n "$remove" ]; then
  for service in "$@"; do
    replace "$folder/$service" "$(without "$folder/$service")"
    echo "ThinMan is out of $folder/$service"
  done
  exit 0
fi

[ -n "$data" ] || usage
case $data in
  /*) ;;
  *) fail "--data $data is no absolute path" ;;
esac
case $data$helper in
  *[[:space:]\[\]#\\]*) fail "PAM takes no path with spaces, brackets, # or \\: choose another one" ;;
esac
[ -x /usr/bin/perl ] || fail "/usr/bin/perl is missing: apt-get install perl-base"
for service in "$@"; do
  without "$folder/$service" | grep -q '^@include common-auth' ||
    fail "$folder/$service has no line \"@include common-auth\": this is no service of Debian's kind; docs/login-screens.md has the lines to write by hand"
done
if [ -n "$account" ] && [ -n "$settings" ]; then
  getent passwd "$account" >/dev/null ||
    fail "there is no account \"$account\" for the sessions: useradd --create-home --shell /bin/bash $account, or use --own-accounts"
fi
if ! grep -Eq '^passwd:.*\bsystemd\b' /etc/nsswitch.conf; then
  echo "install-pam.sh: /etc/nsswitch.conf has no \"systemd\" for passwd: people cannot become Unix users (apt-get install libnss-systemd)" >&2
fi
# An expired password is changed at the login screen where pam_unix can say so (shadow), and where something asks for the new
# one twice: pam_exec asks once, and a mistyped password would be set.
changes=1
if ! grep -Eq '^shadow:.*\bsystemd\b' /etc/nsswitch.conf; then
  changes=
  echo "install-pam.sh: /etc/nsswitch.conf has no \"systemd\" for shadow: expired passwords are not changed at these login screens (apt-get install libnss-systemd)" >&2
elif ! find /lib /usr/lib -name pam_pwquality.so 2>/dev/null | grep -q .; then
  changes=
  echo "install-pam.sh: there is no pam_pwquality.so: expired passwords are not changed at these login screens (apt-get install libpam-pwquality, then run this again)" >&2
fi

mkdir -p "$(dirname "$helper")"
cp "$source" "$helper.new"
chmod 755 "$helper.new"
mv "$helper.new" "$helper"

if [ -n "$settings" ] && [ ! -e "$data/local.json" ]; then
  if [ -n "$account" ]; then
    printf '{ "unixAccounts": { "kind": "shared", "account": "%s" } }\n' "$account" >"$data/local.json"
  else
    printf '{ "unixAccounts": { "kind": "own" } }\n' >"$data/local.json"
  fi
  echo "$data/local.json is new: restart the agent"
fi

# Jumps count modules, and a substack is one. pam_exec makes PAM_SYSTEM_ERR of every no: pam_deny tells it as a wrong password.
block() { # auth|account, the options of pam_exec, the include that is replaced, arguments of the helper
  skip=2
  [ "$1$4" != account\ change ] || skip=3
  echo "# >>> thinman"
  [ -z "$account" ] || echo "$1 [success=1 default=ignore] pam_succeed_if.so quiet user = $account #thinman"
  echo "$1 [success=$skip default=ignore] pam_localuser.so #thinman"
  echo "$1 [success=$skip default=ignore] pam_exec.so $2stdout quiet $helper $data$4 #thinman"
  # The record of whoever must change the password says so; for all others pam_unix is not heard.
  [ $skip = 2 ] || echo "$1 [new_authtok_reqd=done default=ignore] pam_unix.so quiet #thinman"
  echo "$1 requisite pam_deny.so #thinman"
  echo "$1 substack $3 #thinman"
  echo "$1 required pam_permit.so #thinman"
  echo "#thinman replaces: @include $3"
  echo "# <<< thinman"
}
# The way of the first pass (in which pam_exec says yes) is that of the second: a no there is the no of all.
password() {
  echo "# >>> thinman"
  echo "password [success=2 default=ignore] pam_localuser.so #thinman"
  echo "password requisite pam_pwquality.so retry=3 dictcheck=0 #thinman"
  echo "password [success=1 default=die] pam_exec.so expose_authtok stdout quiet $helper $data #thinman"
  echo "password substack common-password #thinman"
  echo "password required pam_permit.so #thinman"
  echo "#thinman replaces: @include common-password"
  echo "# <<< thinman"
}
session() {
  echo "# >>> thinman"
  [ -n "$account" ] || echo "session required pam_mkhomedir.so umask=0077 #thinman"
  echo "session optional pam_exec.so quiet $helper $data #thinman"
  echo "# <<< thinman"
}

for service in "$@"; do
  # Without that include nobody is asked for a new password there (a screen locker).
  change=
  if [ -n "$changes" ] && without "$folder/$service" | grep -q '^@include common-password'; then change=' change'; fi
  content=$(
    without "$folder/$service" | while IFS= read -r line; do
      case $line in
        '@include common-auth') block auth 'expose_authtok ' common-auth "$change" ;;
        '@include common-account') block account '' common-account "$change" ;;
        '@include common-password') if [ -n "$change" ]; then password; else printf '%s\n' "$line"; fi ;;
        *) printf '%s\n' "$line" ;;
      esac
    done
    if grep -q '^\(session\|@include common-session\)' "$folder/$service"; then session; fi
  )
  replace "$folder/$service" "$content"
  echo "ThinMan is in $folder/$service"
done
