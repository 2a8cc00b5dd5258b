# shellcheck shell=bash disable=SC2154,SC2164,SC2034 # `cluster` has the settings, and set -e
# What is around the clusters: the LAN with its internet, and two laptops.

world_up() {
	local number
	alive "$state/inet" && return
	world_down
	mkdir -p "$state"
	chmod 700 "$state" # keys are in it
	machine "$state/inet" inet "$gateway" pid
	# Without an address of its own it would take a port's, and change as ports come and go.
	on "$state/inet" ip link add lan address 0a:4d:00:00:ff:fe type bridge
	on "$state/inet" ip address add "$gateway/16" dev lan
	on "$state/inet" ip link set lan up
	on "$state/inet" sysctl -qw net.ipv4.ip_forward=1 # so that strangers' addresses are answered "unreachable"
	on "$state/inet" tee /etc/Corefile >/dev/null <<-END
		.:53 {
			hosts /etc/hosts.internet {
				reload 1s
			}
		}
	END
	on "$state/inet" tee /etc/hosts.internet >/dev/null <<<"$gateway internet.test www.internet.test"
	daemon "$state/inet" coredns coredns -conf /etc/Corefile
	daemon "$state/inet" echo env POD_NAME=internet HTTP_PORT=80 echo
	for number in 1 2; do
		settle "$state/dev-$number"
		machine "$state/dev-$number" "dev-$number" "10.77.0.$number"
	done
}

# The second address of everything on the LAN: 10.77.1.2's is fd00:77::1:2.
six() { local numbers=${1#10.77.}; echo "fd00:77::${numbers//./:}"; }

plug_six() { # DIR ADDRESS: gives a machine on the LAN its second address
	on "$1" ip address replace "$(six "$2")/64" dev eth0 nodad
	on "$1" ip -6 route replace default via "$(six "$gateway")"
}

world_dual_stack() {
	local number
	on "$state/inet" ip address replace "$(six "$gateway")/64" dev lan nodad
	on "$state/inet" sysctl -qw net.ipv6.conf.all.forwarding=1
	on "$state/inet" tee /etc/hosts.internet >/dev/null <<-END
		$gateway internet.test www.internet.test
		$(six "$gateway") internet.test www.internet.test
	END
	for number in 1 2; do plug_six "$state/dev-$number" "10.77.0.$number"; done
}

world_down() {
	local dir
	for dir in "$state"/dev-* "$state/inet"; do stop_machine "$dir"; done
}
