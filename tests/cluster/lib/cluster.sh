# shellcheck shell=bash disable=SC2154,SC2164,SC2034 # `cluster` has the settings, and set -e
# A cluster: its control plane, its nodes, and what runs on them.

control_plane_up() {
	local node=$dir/node-1 conf=/etc/kubernetes pki=/etc/kubernetes/pki
	daemon "$node" etcd kube etcd --data-dir /var/lib/etcd --unsafe-no-fsync --log-level warn \
		--listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
		--listen-peer-urls http://127.0.0.1:2380
	daemon "$node" kube-apiserver kube kube-apiserver --etcd-servers http://127.0.0.1:2379 \
		--advertise-address "$server" --secure-port 6443 --allow-privileged \
		--service-cluster-ip-range "$services" --authorization-mode Node,RBAC \
		--enable-admission-plugins NodeRestriction --enable-bootstrap-token-auth \
		--client-ca-file $pki/ca.crt --tls-cert-file $pki/apiserver.crt --tls-private-key-file $pki/apiserver.key \
		--kubelet-certificate-authority $pki/ca.crt --kubelet-preferred-address-types InternalIP \
		--kubelet-client-certificate $pki/apiserver-kubelet-client.crt \
		--kubelet-client-key $pki/apiserver-kubelet-client.key \
		--service-account-issuer https://kubernetes.default.svc.cluster.local \
		--service-account-key-file $pki/sa.pub --service-account-signing-key-file $pki/sa.key \
		--requestheader-client-ca-file $pki/front-proxy-ca.crt --requestheader-allowed-names front-proxy-client \
		--requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group \
		--requestheader-extra-headers-prefix X-Remote-Extra- \
		--proxy-client-cert-file $pki/front-proxy-client.crt --proxy-client-key-file $pki/front-proxy-client.key
	poll 60 admin get --raw /readyz
	daemon "$node" kube-controller-manager kube kube-controller-manager --kubeconfig $conf/controller-manager.conf \
		--authentication-kubeconfig $conf/controller-manager.conf \
		--authorization-kubeconfig $conf/controller-manager.conf --leader-elect=false \
		--use-service-account-credentials --service-account-private-key-file $pki/sa.key \
		--root-ca-file $pki/ca.crt --cluster-signing-cert-file $pki/ca.crt --cluster-signing-key-file $pki/ca.key \
		--controllers '*,bootstrap-signer-controller,token-cleaner-controller' \
		--flex-volume-plugin-dir /var/lib/kubelet/volume-plugins --allocate-node-cidrs --cluster-cidr "$pods" --service-cluster-ip-range "$services"
	daemon "$node" kube-scheduler kube kube-scheduler --kubeconfig $conf/scheduler.conf \
		--authentication-kubeconfig $conf/scheduler.conf --authorization-kubeconfig $conf/scheduler.conf \
		--leader-elect=false
}

node_up() { # NODE ADDRESS
	local node=$dir/$1 conf=/etc/kubernetes
	on "$node" sysctl -qw net.ipv4.ip_forward=1
	on "$node" iptables -t nat -A POSTROUTING -s "${pods%,*}" ! -d "${pods%,*}" -o eth0 -j MASQUERADE
	if [ -n "$dual" ]; then
		plug_six "$node" "$2"
		on "$node" sysctl -qw net.ipv6.conf.all.forwarding=1
		on "$node" ip6tables -t nat -A POSTROUTING -s "${pods#*,}" ! -d "${pods#*,}" -o eth0 -j MASQUERADE
	fi
	daemon "$node" containerd containerd
	load_images "$node" "$cache"/images/*.tar
	daemon "$node" kubelet kube kubelet --config $conf/kubelet.yaml --kubeconfig $conf/kubelet.conf \
		--hostname-override "$1" --node-ip "$2${dual:+,$(six "$2")}"
	daemon "$node" kube-proxy kube kube-proxy --config $conf/kube-proxy.yaml
}

load_images() { # DIR IMAGE.tar...
	local node=$1 tar; shift
	poll 20 on "$node" ctr version
	for tar in "$@"; do on "$node" ctr -n k8s.io images import - <"$tar" >/dev/null; done
}

# Each node's pod ranges are the controller manager's choice; the others learn the way to them.
pod_routes() {
	local node cidr cidr6 via other
	while read -r node cidr cidr6; do
		via=10.77.$index.${node#node-}
		for other in "$dir"/node-*; do
			[ "${other##*/}" != "$node" ] || continue
			on "$other" ip route replace "$cidr" via "$via"
			[ -z "$cidr6" ] || on "$other" ip route replace "$cidr6" via "$(six "$via")"
		done
	done < <(admin get nodes -o jsonpath='{range .items[*]}{.metadata.name} {.spec.podCIDRs[*]}{"\n"}{end}')
}

nodes_registered() { [ "$(admin get nodes -o jsonpath='{.items[*].spec.podCIDR}' | wc -w)" = "$nodes" ]; }

admin() { on "$state/dev-1" env KUBECONFIG="$dir/admin.conf" kubectl "$@"; }

up() {
	local nodes=1 pods=10.244.0.0/16 services=10.96.0.0/16 proxy=iptables dual= dir index=1 server number workload started=()
	while (($#)); do
		case $1 in
		--name) name=$2 ;;
		--nodes) nodes=$2 ;;
		--pods) pods=$2 ;;
		--services) services=$2 ;;
		--proxy) proxy=$2 ;;
		--kubernetes) kubernetes=$2 ;;
		--dual-stack) dual=PreferDualStack; shift; continue ;;
		*) usage ;;
		esac
		shift 2
	done
	choose_kubernetes "$kubernetes"
	if [ -n "$dual" ]; then
		[[ $pods == *,* ]] || pods=$pods,fd00:77:244::/56
		[[ $services == *,* ]] || services=$services,fd00:77:96::/112
	fi
	dir=$state/clusters/$name
	if [ -d "$dir" ]; then
		if alive "$dir/node-1" && [ -e "$dir/ready" ] && [ "$(<"$dir/kubernetes")" = "$kubernetes" ]; then
			echo "cluster $name is up"
			return
		fi
		down --name "$name"
	fi
	build
	world_up
	[ -z "$dual" ] || world_dual_stack
	while grep -qsx "$index" "$state"/clusters/*/index; do index=$((index + 1)); done
	server=10.77.$index.1
	mkdir -p "$dir/pki"
	cd "$dir"
	echo "$index" >index
	echo "$kubernetes" >kubernetes
	control_plane_files
	for ((number = 1; number <= nodes; number++)); do
		node_files "node-$number" "10.77.$index.$number"
		machine "$dir/node-$number" "node-$number" "10.77.$index.$number" pid
		node_up "node-$number" "10.77.$index.$number" &
		started+=($!)
	done
	control_plane_up
	wait "${started[@]}"
	merge_kubeconfigs
	sed "s#@DNS@#${services%.*}.10#" "$here/manifests/coredns.yaml" | admin apply -f - >/dev/null
	poll 30 admin get serviceaccount default
	sed "s#@FAMILIES@#${dual:-SingleStack}#" "$here"/manifests/{carol,echo}.yaml |
		admin apply -f - >/dev/null
	poll 60 nodes_registered
	pod_routes
	admin wait --for=condition=Ready nodes --all --timeout=60s >/dev/null
	for workload in "kube-system deployment/coredns" "default deployment/echo" "default statefulset/peers" "other deployment/echo"; do
		# shellcheck disable=SC2086 # a namespace and a name
		admin rollout status -n $workload --timeout=60s >/dev/null
	done
	touch ready
	echo "cluster $name is up: Kubernetes $(kubernetes_version), $nodes node(s), https://$server:6443, in $SECONDS s"
}

choose_kubernetes() { # MINOR: from here on `kube` is of that version
	[[ -n $1 && -d $here/kube/$1 ]] || fail "there is no Kubernetes '$1' here: expected one of $(cd "$here/kube" && echo [0-9]*)"
	kubernetes=$1
	PATH=$(kubernetes_folder):$PATH
}

down() {
	local all= dir node
	while (($#)); do
		case $1 in
		--name) name=$2; shift 2 ;;
		--all) all=yes; shift ;;
		*) usage ;;
		esac
	done
	for dir in "$state/clusters"/*; do
		[ -d "$dir" ] || continue
		[ -n "$all" ] || [ "${dir##*/}" = "$name" ] || continue
		for node in "$dir"/node-*; do stop_machine "$node"; done
		rm -rf "$dir"
	done
	merge_kubeconfigs
	if [ -n "$all" ] || [ -z "$(ls "$state/clusters" 2>/dev/null)" ]; then
		world_down
		rm -rf "$state"
	fi
}

status() {
	local dir node group
	for dir in "$state"/clusters/*; do
		[ -d "$dir" ] || { echo "no cluster"; return; }
		for node in "$dir"/node-*; do
			group=$(grep -m1 /memory "$node/cgroups")
			echo "${dir##*/} ${node##*/} 10.77.$(<"$dir/index").${node##*-}" \
				"$(alive "$node" && echo up || echo dead) $(awk '$1 == "total_rss" { print int($2 / 1048576) " MiB" }' "$group/memory.stat")"
		done
		(admin get nodes,pods -A -o wide) || true
	done
}

node() {
	local node=node-1
	if [[ $1 == node-* ]]; then node=$1; shift; fi
	on "$state/clusters/$name/$node" "$@"
}

restart() { # [node-K] PART
	part_of "$@"
	choose_kubernetes "$(<"$state/clusters/$name/kubernetes")"
	again "$node" "$part"
}

log() { # [node-K] PART
	part_of "$@"
	tail -n 30 "$node/log/$part.log"
}

# part_of [node-K] PART: sets `node` to the machine's folder and `part` to the daemon's name there.
part_of() {
	node=$state/clusters/$name/node-1
	if [[ $1 == node-* ]]; then node=$state/clusters/$name/$1; shift; fi
	case ${1:-} in
	apiserver | controller-manager | scheduler) part=kube-$1 ;;
	kube-proxy | etcd | kubelet | containerd) part=$1 ;;
	*) usage ;;
	esac
	[ -e "$node/log/$part.pid" ] || fail "$part doesn't run on ${node##*/} of $name"
}

load() {
	local node
	for node in "$state/clusters/$name"/node-*; do load_images "$node" "$@"; done
}
