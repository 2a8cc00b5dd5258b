# shellcheck shell=bash disable=SC2154,SC2164,SC2034 # `cluster` has the settings, and set -e
# How far a laptop is from everything else.

# distance [--rtt MS] [--rate MBIT/S] [--laptop K] | off: how far a laptop is from everything else. Its
# port leaves the LAN's bridge for one that a cable joins to the LAN: see distance/main.go.
distance() {
	local inet=$state/inet rtt= rate= off= dir k machine
	while (($#)); do
		case $1 in
		--rtt) rtt=$2; shift ;;
		--rate) rate=$2; shift ;;
		--laptop) laptop=$2; shift ;;
		off) off=yes ;;
		*) usage ;;
		esac
		shift
	done
	[[ ${rtt:-0}/${rate:-0} =~ ^[0-9.]+/[0-9.]+$ ]] || usage
	k=$laptop dir=$state/dev-$laptop
	alive "$dir" || fail "dev-$k is not up"
	if [ -n "$off" ]; then
		[ -e "$dir/distance" ] || return 0
		on "$inet" ip link set "p0.$k" master lan
		on "$inet" sh -c "echo end 1<>/run/cable$k; ip link delete cable$k"
		poll 5 cable_gone "$k"
		rm "$dir/distance"
	elif [ -n "$rtt$rate" ]; then
		if cable_gone "$k"; then
			on "$inet" sh -c "rm -f /run/cable$k; mkfifo /run/cable$k"
			daemon "$inet" "distance-$k" distance "near$k" "far$k" "/run/cable$k"
			poll 5 on "$inet" ip link show "far$k"
			on "$inet" sh -ec "ip link add cable$k type bridge
				for port in cable$k near$k far$k; do
					echo 1 >/proc/sys/net/ipv6/conf/\$port/disable_ipv6
					ip link set \$port txqueuelen 10000 up
				done
				ip link set near$k master lan
				ip link set far$k master cable$k"
		fi
		on "$inet" sh -ec "echo ${rtt:-0} ${rate:-0} 1<>/run/cable$k; ip link set p0.$k master cable$k"
		echo "rtt ${rtt:-0} ms, rate ${rate:-0} Mbit/s (0: no limit)" >"$dir/distance"
	else
		cat "$dir/distance" 2>/dev/null || echo off
		return
	fi
	# Or a new connection starts with what TCP learnt of the old distance.
	for machine in "$inet" "$dir" "$state"/clusters/*/node-*; do
		[ ! -d "$machine" ] || on "$machine" ip tcp_metrics flush all 2>/dev/null || true
	done
}

cable_gone() { ! on "$state/inet" ip link show "far$1" >/dev/null 2>&1; } # K
