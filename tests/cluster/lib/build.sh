# shellcheck shell=bash disable=SC2154,SC2164,SC2034,SC2086 # `cluster` has the settings, and set -e
# Binaries and images, made in the cache where what they are made of has changed.

# What the images have of Debian, without the packages that matter only while others are installed.
base_packages=(libc-bin bash coreutils grep sed tar gzip mount util-linux procps iproute2 iptables nftables
	conntrack iperf3 curl libstdc++6 netcat-openbsd socat)
deno_packages=(libc-bin base-files bash dash coreutils diffutils findutils grep gzip hostname libgcc-s1 mawk mount
	sed tar util-linux tini)
shell_packages=(libc-bin bash coreutils diffutils findutils grep hostname mawk mount passwd procps sed util-linux) # to unpack next to others
nginx_packages=(libc-bin base-files nginx-light libnginx-mod-stream)
left_out=(--exclude='./usr/share/*' --exclude='./usr/lib/python*')
unwanted='^(perl|libperl|debconf|dpkg|adduser|passwd|libpam|libgdbm|libdb5|init-system|usrmerge|.*-perl_|util-linux-extra|libsemanage|libsepol)'

deps() {
	packages $PACKAGES_CLUSTER
	get_go
	get_deno
}

# Gets what tests run next to pmz, and says where it is: wireguard-go, the root folder of Debian's programs, `sidecars`.
neighbours() {
	local out=$cache/neighbours/$WIREGUARD_GO_VERSION/wireguard-go new=$cache/neighbours/.new.$$
	packages $PACKAGES_NEIGHBOURS >&2
	if [ ! -x "$out" ]; then
		get_go >&2
		echo "building wireguard-go" >&2
		CGO_ENABLED=0 GOBIN=$new go install "golang.zx2c4.com/wireguard@$WIREGUARD_GO_VERSION" >&2
		mkdir -p "${out%/*}"
		mv "$new/wireguard" "$out"
		rmdir "$new"
	fi
	echo "$out"
	debian_neighbours
	echo "$cache/neighbours/debian"
	mkdir -p "$cache/bin"
	go_program sidecars >&2
	echo "$cache/bin/sidecars"
}

# Gets Tailscale and a server for it, and says in which folder they are. It takes four minutes, so only who asks for it gets it.
tailscale() {
	local out=$cache/neighbours/tailscale-$TAILSCALE_VERSION-$HEADSCALE_VERSION new=$cache/neighbours/.new.$$
	local tags=ts_include_cli,ts_omit_aws,ts_omit_bird,ts_omit_tap,ts_omit_kube,ts_omit_ssh,ts_omit_systray,ts_omit_webclient
	if [ ! -e "$out" ]; then
		get_go >&2
		mkdir -p "$new"
		echo "building tailscale and headscale" >&2
		CGO_ENABLED=0 GOBIN=$new go install -tags "$tags" -ldflags '-s -w' "tailscale.com/cmd/tailscaled@$TAILSCALE_VERSION" >&2
		# `go install` would ask for the newest version of the module, which the proxy hasn't.
		printf 'module headscale\nrequire github.com/juanfont/headscale %s\n' "$HEADSCALE_VERSION" >"$new/go.mod"
		(cd "$new" && CGO_ENABLED=0 GOFLAGS=-mod=mod go build -ldflags '-s -w' -o headscale github.com/juanfont/headscale/cmd/headscale) >&2
		mv "$new" "$out"
	fi
	echo "$out"
}

# Unpacked, so that none of them is started here; with what their installation would have done.
debian_neighbours() {
	local list=$cache/neighbours/debian.list root=$cache/neighbours/debian file unwanted='^$' left_out=()
	echo "${shell_packages[*]} $UNPACKED_NEIGHBOURS" >"$list"
	stale "$root" "$list" "$here/lib/build.sh" || return 0
	echo "unpacking Debian packages: $UNPACKED_NEIGHBOURS" >&2
	debian_root "$root" "${shell_packages[@]}" $UNPACKED_NEIGHBOURS >&2
	for file in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
		ln -sf xtables-nft-multi "$root/usr/sbin/$file"
	done
	ln -sf bash "$root/usr/bin/sh"
	ln -sf mawk "$root/usr/bin/awk"
	rm -rf "$root/var/run"
	ln -s /run "$root/var/run"
	cp "$root"/usr/share/ufw/{iptables/*.rules,before.init,after.init,ufw.conf} "$root/etc/ufw/"
	made "$root" "$list" "$here/lib/build.sh"
}

# stale TARGET SOURCE...: whether TARGET was made of other sources than these; `made` says it no longer is.
stale() { local target=$1; shift; [ ! -e "$target" ] || [ "$(cat "$@" | sha256sum)" != "$(cat "$target.sum" 2>/dev/null)" ]; }

made() { local target=$1; shift; cat "$@" | sha256sum >"$target.sum"; }

go_program() { # NAME
	local out=$cache/bin/$1 sources=("$here/$1"/{main.go,go.mod,go.sum})
	stale "$out" "${sources[@]}" || return 0
	echo "building $1" >&2
	pushd "$here/$1" >/dev/null
	CGO_ENABLED=0 go build -v -trimpath -buildvcs=false -ldflags "-s -w" -o "$out" . 2>&1 | count_packages "$1" >&2
	popd >/dev/null
	made "$out" "${sources[@]}"
}

# Kubernetes of a minor version: kube/main.go with that version's modules. Cluster programs find it by PATH.
kubernetes_program() {
	local out source=$here/kube/$kubernetes sources folder full set
	out=$(kubernetes_folder)/kube
	sources=("$here/kube/main.go" "$source"/{go.mod,go.sum})
	stale "$out" "${sources[@]}" || return 0
	full=$(kubernetes_version)
	echo "building Kubernetes $full" >&2
	folder=$(mktemp -d)
	cp "${sources[@]}" "$folder"
	set="-X k8s.io/component-base/version.gitVersion=$full -X k8s.io/client-go/pkg/version.gitVersion=$full"
	set="$set -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=${kubernetes#1.}"
	mkdir -p "${out%/*}"
	pushd "$folder" >/dev/null
	CGO_ENABLED=0 go build -v -trimpath -buildvcs=false -ldflags "-s -w $set" -o "$out" . 2>&1 | count_packages kube >&2
	popd >/dev/null
	rm -rf "$folder"
	ln -sf kube "${out%/*}/kubectl"
	made "$out" "${sources[@]}"
}

# The version that kube/MINOR/go.mod pins: v1.37.2.
kubernetes_version() { awk '$1 == "k8s.io/kubernetes" { print $2 }' "$here/kube/$kubernetes/go.mod"; }

# The usual version is where all other programs are.
kubernetes_folder() {
	if [ "$kubernetes" = "$usual_kubernetes" ]; then echo "$cache/bin"; else echo "$cache/kubernetes/$kubernetes"; fi
}

# What `go build -v` says, with its package names counted rather than shown.
count_packages() { # NAME
	awk -v program="$1" '
		/^[a-z0-9.]+(\/[A-Za-z0-9._-]+)*$/ { if (++packages % 200 == 0) { print program ": " packages " packages compiled"; fflush() } next }
		/^go: downloading/ { if (++modules % 50 == 0) { print program ": " modules " modules downloaded"; fflush() } next }
		{ print; fflush() }'
}

image() { # NAME REFERENCE SOURCE... -- ARGUMENTS OF pack.py...
	local out=$cache/images/$1.tar tag=$2 sources=("$here/pack.py"); shift 2
	while [ "$1" != -- ]; do sources+=("$1"); shift; done
	shift
	stale "$out" "${sources[@]}" || return 0
	echo "packing $tag" >&2
	python3 "$here/pack.py" "$out" "$tag" "$@"
	made "$out" "${sources[@]}"
}

# A Debian root folder, unpacked from packages without running any of their scripts.
debian_root() { # ROOT PACKAGE...
	local root=$1 debs=$1.debs deb; shift
	rm -rf "$root" "$debs"
	mkdir -p "$root"/{usr/{bin,sbin,lib,lib64},etc,proc,sys,dev,run,tmp,root,home,var/{tmp,lib}} "$debs/partial"
	ln -s usr/bin usr/sbin usr/lib usr/lib64 "$root"
	: >"$debs/none"
	download_debs "$debs" "$@" 2>/dev/null || { apt-get update -qq; download_debs "$debs" "$@"; }
	for deb in "$debs"/*.deb; do
		[[ ${deb##*/} =~ $unwanted ]] && continue
		dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$root" "${left_out[@]}"
	done
	echo root:x:0:0:root:/root:/bin/bash >"$root/etc/passwd"
	echo root:x:0: >"$root/etc/group"
	chmod 1777 "$root"/tmp "$root"/var/tmp
	chroot "$root" ldconfig
	rm -rf "$root/var/cache/ldconfig" # remembers inodes
	rm -rf "$debs"
}

download_debs() { # FOLDER PACKAGE...
	local debs=$1; shift
	apt-get -qq -o Dir::State::Status="$debs/none" -o Dir::Cache::Archives="$debs" -o APT::Sandbox::User=root \
		-y --no-install-recommends --download-only install "$@" >/dev/null
}

# Gets programs that tests call Services with, and says where they are: the root folder of Debian's and npm's, `client`.
clients() {
	local list=$cache/clients/debian.list root=$cache/clients/debian unwanted='^$' left_out=()
	mkdir -p "$cache/clients"
	echo "${shell_packages[*]} $UNPACKED_CLIENTS $UNDICI_VERSION $WS_VERSION" >"$list"
	if stale "$root" "$list"; then
		echo "unpacking packages of Debian and npm: $UNPACKED_CLIENTS undici ws" >&2
		debian_root "$root" "${shell_packages[@]}" $UNPACKED_CLIENTS >&2
		ln -sf bash "$root/usr/bin/sh"
		ln -s "../lib/jvm/java-17-openjdk-$(dpkg --print-architecture)/bin/java" "$root/usr/bin/java" # as update-alternatives would
		rm -rf "$root/var/run"
		ln -s /run "$root/var/run"
		npm_module "$root" undici "$UNDICI_VERSION" "$UNDICI_SHA512" >&2
		npm_module "$root" ws "$WS_VERSION" "$WS_SHA512" >&2
		made "$root" "$list"
	fi
	echo "$root"
	mkdir -p "$cache/bin"
	get_go >&2
	go_program client >&2
	echo "$cache/bin/client"
}

npm_module() { # ROOT NAME VERSION SHA512
	local folder=$1/node_modules/$2 file=$1/tmp/$2.tgz digest
	download "$(registry)$2/-/$2-$3.tgz" "$file"
	digest=$(sha512sum <"$file")
	[ "${digest%% *}" = "$4" ] || fail "the package $2 is not the one pinned in tools/versions: sha512 ${digest%% *}"
	mkdir -p "$folder"
	tar -xzf "$file" -C "$folder" --strip-components=1
	rm "$file"
}

# A reverse proxy of Debian as an image, packed when a test first asks for it: says where it is.
nginx_image() {
	local folder=$cache/nginx list=$cache/nginx/nginx.list out=$cache/nginx/nginx.tar root=$cache/nginx/root
	mkdir -p "$folder"
	echo "${nginx_packages[*]} $unwanted" >"$list"
	if stale "$out" "$here/pack.py" "$list"; then
		echo "packing pmz.test/nginx:1" >&2
		debian_root "$root" "${nginx_packages[@]}" >&2
		python3 "$here/pack.py" "$out" pmz.test/nginx:1 --dir "$root" --entrypoint /usr/sbin/nginx >&2
		rm -rf "$root"
		made "$out" "$here/pack.py" "$list"
	fi
	echo "$out"
}

# Programs that talk by UDP, and the same as an image with their server: says where the two are.
datagrams() {
	mkdir -p "$cache"/{bin,images}
	get_go >&2
	go_program datagrams >&2
	image datagrams pmz.test/datagrams:1 "$cache/bin/datagrams" -- \
		--file "$cache/bin/datagrams:/datagrams" --entrypoint /datagrams --cmd serve >&2
	echo "$cache/bin/datagrams"
	echo "$cache/images/datagrams.tar"
}

# The tests' own tools.
base_image() {
	local list=$cache/base.list root=$cache/base file
	echo "${base_packages[*]} $unwanted" >"$list"
	stale "$cache/images/base.tar" "$here/pack.py" "$list" || return 0
	debian_root "$root" "${base_packages[@]}"
	for file in iptables iptables-save iptables-restore ip6tables; do
		ln -sf xtables-nft-multi "$root/usr/sbin/$file" # as update-alternatives would
	done
	ln -sf bash "$root/usr/bin/sh"
	ln -sf nc.openbsd "$root/usr/bin/nc"
	image base pmz.test/base:1 "$list" -- --dir "$root" --cmd sleep --cmd infinity
	rm -rf "$root"
}

# Stands in for docker.io/denoland/deno, which can't be pulled here: what that image's Dockerfile for Debian
# (github.com/denoland/deno_docker, debian.dockerfile) makes, from npm's Deno and Debian packages.
deno_image() {
	local list=$cache/deno.list root=$cache/deno entry=$here/images/deno-entrypoint.sh
	echo "${deno_packages[*]} $unwanted $DENO_VERSION" >"$list"
	stale "$cache/images/deno.tar" "$here/pack.py" "$list" "$entry" || return 0
	get_deno
	debian_root "$root" "${deno_packages[@]}"
	ln -sf dash "$root/usr/bin/sh"
	ln -sf mawk "$root/usr/bin/awk"
	mv "$root/usr/bin/tini" "$root/tini"
	echo deno:x:1993:1993::/home/deno:/bin/sh >>"$root/etc/passwd"
	echo deno:x:1993: >>"$root/etc/group"
	mkdir "$root/deno-dir"
	install -D -m 755 "$entry" "$root/usr/local/bin/docker-entrypoint.sh"
	image deno "docker.io/denoland/deno:$DENO_VERSION" "$list" "$entry" -- --dir "$root" --owner deno-dir=1993 \
		--file "$deno:/usr/bin/deno" --env DENO_USE_CGROUPS=1 --env DENO_DIR=/deno-dir/ --env DENO_INSTALL_ROOT=/usr/local \
		--env "DENO_VERSION=$DENO_VERSION" --entrypoint /tini --entrypoint=-- --entrypoint docker-entrypoint.sh \
		--cmd eval --cmd "console.log('Welcome to Deno!')"
	rm -rf "$root"
}

build() {
	local images
	mkdir -p "$cache"/{bin,images}
	get_go
	(base_image; deno_image) & # mostly waits for the network, where what follows computes
	images=$!
	go_program echo
	go_program coredns
	go_program distance
	kubernetes_program
	if stale "$cache/bin/pause" "$here/pause.c"; then
		gcc -static -Os -s -o "$cache/bin/pause" "$here/pause.c"
		made "$cache/bin/pause" "$here/pause.c"
	fi
	image pause pmz.test/pause:1 "$cache/bin/pause" -- --file "$cache/bin/pause:/pause" --entrypoint /pause
	image echo pmz.test/echo:1 "$cache/bin/echo" -- --file "$cache/bin/echo:/echo" --entrypoint /echo
	image coredns pmz.test/coredns:1 "$cache/bin/coredns" -- --file "$cache/bin/coredns:/coredns" --entrypoint /coredns
	wait "$images" || fail "the images of Debian packages could not be made; run it again"
}
