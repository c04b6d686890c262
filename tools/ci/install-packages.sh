#!/bin/sh
# Debian packages that the tests with a real sshd and a real firewall need (tests/firewall, tests/ssh/openssh.test.ts).
# Without them those tests are skipped, with the reason. Run as root; safe to run again.
set -eu

export DEBIAN_FRONTEND=noninteractive

# sshd's package starts a server of its own otherwise. A policy that is already there stays.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 0755 "$policy"
fi

apt-get -o DPkg::Lock::Timeout=600 update
apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends \
  iproute2 iptables netcat-openbsd nftables openssh-client openssh-server ufw
