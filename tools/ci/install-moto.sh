#!/bin/sh
# moto, an EC2 that we did not write, for tests/adapters/aws.moto.test.ts; without it that test is skipped, with the reason.
# Kept in the user's cache, where the test looks: the second run does nothing. Needs Python 3 with venv, or apt and root.
set -eu

version=5.2.5
home="${XDG_CACHE_HOME:-$HOME/.cache}/slipway/moto-$version"
[ -x "$home/bin/moto_server" ] && exit 0

command -v python3 >/dev/null && python3 -c 'import ensurepip, venv' 2>/dev/null || {
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 update
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends python3 python3-venv
}

# A half-made one must not be found: made beside it, and moved when it is whole. A venv knows its own path, so its
# scripts are made to run from anywhere first.
draft="$home.$$"
trap 'rm -rf "$draft"' EXIT
mkdir -p "$(dirname "$home")"
rm -rf "$home"
python3 -m venv "$draft"
"$draft/bin/pip" install --quiet --disable-pip-version-check --retries 5 "moto[server,ec2]==$version"
sed -i.bak "1s|.*|#!$home/bin/python3|" "$draft/bin/moto_server"
mv "$draft" "$home"
"$home/bin/moto_server" --help >/dev/null
