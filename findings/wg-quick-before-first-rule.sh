#!/bin/sh
# wg-quick (wireguard-tools 1.0.20210914) with iproute2 6.1: its rules take a place before every rule that there is, also before one that
# asked for an early place of its own.
#
# Seen: a rule at priority 10, as a program makes that wants to be asked before VPNs. Then `wg-quick up` of a tunnel for 0.0.0.0/0. It
# adds its two rules without a priority, and the kernel gives such a rule the lowest priority that is in use minus one: 9 and 8. All that
# rule 10 was to catch goes into the tunnel. With wg-quick first, its rules are at 32765 and 32764, and rule 10 is asked first: what
# happens depends on who began. ip-rule(8): each rule should have an explicit priority; else the kernel selects one, it doesn't say which.
# Expected: wg-quick asks for a fixed priority, as Tailscale (5210 to 5270) does.
# Way round: watch RTNLGRP_IPV4_RULE, and move one's own rule to the front again.
#
# Needs root (a network namespace of its own), Debian's archive, Go. Fails when the behaviour changes.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq wireguard-tools=1.0.20210914-1+b1 2>/dev/null || apt-get download -qq wireguard-tools
dpkg -x wireguard-tools_*.deb .
GOBIN=$folder go install golang.zx2c4.com/wireguard@v0.0.0-20260522210424-ecfc5a8d5446 2>/dev/null
mv wireguard wireguard-go
echo "wireguard-tools $(dpkg-deb -f wireguard-tools_*.deb Version), iproute2 $(ip -V | sed 's/.*iproute2-//'), Linux $(uname -r)"

key=$(usr/bin/wg genkey)
cat >wgtest.conf <<CONF
[Interface]
PrivateKey = $key
Address = 192.0.2.1/32
[Peer]
PublicKey = $(usr/bin/wg genkey | usr/bin/wg pubkey)
AllowedIPs = 0.0.0.0/0
Endpoint = 127.0.0.1:51820
CONF
chmod 600 wgtest.conf

cat >try.sh <<'TRY'
set -eu
ip link set lo up
case $1 in
rule-first) ip rule add priority 10 lookup 100 ;;
wg-first) ;;
esac
wg-quick up ./wgtest.conf >log 2>&1 || { cat log >&2; exit 1; }
[ "$1" = rule-first ] || ip rule add priority 10 lookup 100
ip -4 rule show | sed -n 's/^\([0-9]*\):.*lookup \(100\|51820\).*/\1 \2/p; s/^\([0-9]*\):.*suppress_prefixlength 0.*/\1 suppress/p' >"order-$1"
wg-quick down ./wgtest.conf >/dev/null 2>&1
TRY
for who in rule-first wg-first; do
	PATH="$folder:$folder/usr/bin:$PATH" WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go \
		unshare --net --mount sh try.sh "$who"
	echo "$who: $(tr '\n' ',' <"order-$who")"
done

[ "$(sed -n '$s/ .*//p' order-rule-first)" = 10 ] || { echo "changed: rule 10 is not the last one any more" >&2; exit 1; }
[ "$(sed -n '1s/ .*//p' order-wg-first)" = 10 ] || { echo "changed: rule 10 is not the first one" >&2; exit 1; }
