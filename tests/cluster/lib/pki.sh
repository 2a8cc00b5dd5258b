# shellcheck shell=bash disable=SC2154,SC2164,SC2034 # `cluster` has the settings, and set -e
# Keys, certificates, kubeconfigs and settings of a cluster to be.

# certificate NAME SUBJECT [ALTERNATIVE NAMES] [CA]: signs pki/NAME.crt
certificate() {
	local ca=${4:-ca} extra=()
	[ -z "${3:-}" ] || extra=(-addext "subjectAltName=$3")
	openssl req -x509 -days 3650 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
		-config <(printf '[req]\ndistinguished_name=d\n[d]\n') -CA "pki/$ca.crt" -CAkey "pki/$ca.key" \
		-subj "$2" -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=serverAuth,clientAuth \
		"${extra[@]}" -keyout "pki/$1.key" -out "pki/$1.crt" 2>/dev/null
}

authority() { # NAME
	openssl req -x509 -days 3650 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj "/CN=$1" \
		-keyout "pki/$1.key" -out "pki/$1.crt" 2>/dev/null
}

kubeconfig() { # CERTIFICATE
	cat <<-END
		apiVersion: v1
		kind: Config
		current-context: $name
		clusters: [{name: $name, cluster: {server: "https://$server:6443", certificate-authority-data: $(base64 -w0 pki/ca.crt)}}]
		users: [{name: $name, user: {client-certificate-data: $(base64 -w0 "pki/$1.crt"), client-key-data: $(base64 -w0 "pki/$1.key")}}]
		contexts: [{name: $name, context: {cluster: $name, user: $name}}]
	END
}

# Keys, certificates, kubeconfigs and settings; everything goes into the /etc of the nodes to be.
control_plane_files() {
	local etc=$dir/node-1/etc/kubernetes part
	mkdir -p "$etc/pki"
	authority ca
	authority front-proxy-ca
	openssl genrsa -out pki/sa.key 2048 2>/dev/null
	openssl rsa -in pki/sa.key -pubout -out pki/sa.pub 2>/dev/null
	certificate apiserver /CN=kube-apiserver "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:$server,IP:$(six "$server"),IP:${services%.*}.1"
	certificate apiserver-kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client
	certificate front-proxy-client /CN=front-proxy-client "" front-proxy-ca
	cp pki/* "$etc/pki"
	for part in controller-manager scheduler; do
		certificate $part /CN=system:kube-$part
		kubeconfig $part >"$etc/$part.conf"
	done
	certificate kube-proxy /CN=system:kube-proxy
	certificate admin /O=system:masters/CN=kubernetes-admin
	certificate alice /O=system:masters/CN=alice
	certificate bob /O=system:masters/CN=bob
	certificate carol /CN=carol # manifests/carol.yaml has what she may do
	for part in admin alice bob carol; do kubeconfig $part >$part.conf; done
}

node_files() { # NODE ADDRESS
	local etc=$dir/$1/etc file
	mkdir -p "$etc"/{kubernetes/pki,containerd,cni/net.d}
	certificate "$1" "/O=system:nodes/CN=system:node:$1" "DNS:$1,IP:$2"
	cp pki/ca.crt "$etc/kubernetes/pki/ca.crt"
	cp "pki/$1.crt" "$etc/kubernetes/pki/kubelet.crt"
	cp "pki/$1.key" "$etc/kubernetes/pki/kubelet.key"
	kubeconfig "$1" >"$etc/kubernetes/kubelet.conf"
	kubeconfig kube-proxy >"$etc/kubernetes/kube-proxy.conf"
	cp "$here"/node/{config.toml,cni.template} "$etc/containerd"
	for file in kubelet.yaml kube-proxy.yaml; do
		sed "s#@DNS@#${services%.*}.10#; s#@PODS@#$pods#; s#@NODE@#$1#; s#@PROXY@#$proxy#" \
			"$here/node/$file" >"$etc/kubernetes/$file"
	done
}
