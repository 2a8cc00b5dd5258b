# shellcheck shell=sh disable=SC2086,SC2046 # lists of packages are split into words on purpose
# Gets what is missing, says so while it does, and takes no time where all is there.

tools=${PMZ_TOOLS:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/pmz-tools}

say() { echo "dev: $*" >&2; }
fail() { say "$*"; exit 1; }

# packages NAME...: installs those Debian packages that aren't there.
packages() {
	if ! command -v dpkg-query >/dev/null; then
		[ -n "${PMZ_NO_PACKAGES:-}" ] ||
			fail "this is no Debian, so packages can't be installed. Install what these are called here, then set PMZ_NO_PACKAGES=1: $*"
		return 0
	fi
	missing=
	# dpkg-query fails when it doesn't know one of the names; what it does know is all that is asked here.
	there=" $(dpkg-query -W -f='${Package}=${db:Status-Status} ' "$@" 2>/dev/null || true)"
	for package; do
		case $there in *" $package=installed "*) ;; *) missing="$missing $package" ;; esac
	done
	[ -n "$missing" ] || return 0
	say "installing Debian packages:$missing"
	mkdir -p "$tools"
	log=$tools/.apt.$$.log
	as_root=
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || fail "not root, and no sudo. As root: apt-get install$missing"
		as_root=sudo
	fi
	apt_install $missing || {
		say "refreshing the package lists"
		$as_root apt-get update -qq || fail "apt-get update failed: is this machine's package mirror reachable?"
		apt_install $missing || fail "apt-get could not install:$missing"
	}
}

apt_install() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
		install -y --no-install-recommends "$@" >"$log" 2>&1 || { tail -n 5 "$log" >&2; rm -f "$log"; return 1; }
	rm -f "$log"
}

architecture() { # NAME-ON-X64 NAME-ON-ARM64
	case $(uname -m) in
	x86_64) echo "$1" ;;
	aarch64) echo "$2" ;;
	*) fail "pmz is for x86_64 and aarch64, and this machine is $(uname -m)" ;;
	esac
}

# The npm registry that this machine is set up for, ending in a slash.
registry() {
	url=${NPM_CONFIG_REGISTRY:-${npm_config_registry:-}}
	[ -n "$url" ] || url=$(sed -n 's/^ *registry *= *//p' "${NPM_CONFIG_USERCONFIG:-${HOME:-/root}/.npmrc}" /etc/npmrc 2>/dev/null | head -n 1)
	url=${url:-https://registry.npmjs.org}
	echo "${url%/}/"
}

# download URL FILE
download() {
	show=-s
	[ ! -t 2 ] || show=--progress-bar
	curl -fSL "$show" --retry 3 --retry-connrefused --connect-timeout 20 -o "$2" "$1"
}

# get_deno: sets $deno, the pinned Deno. PMZ_DENO names one that is there already.
get_deno() {
	deno=${PMZ_DENO:-$tools/deno-$DENO_VERSION/deno}
	[ ! -x "$deno" ] || { [ -z "${PMZ_DENO:-}" ] || check_own_deno; return 0; }
	[ -z "${PMZ_DENO:-}" ] || fail "PMZ_DENO names no program: $PMZ_DENO"
	[ ! -e /lib/ld-musl-x86_64.so.1 ] || [ -e /lib64/ld-linux-x86-64.so.2 ] || fail "Deno needs glibc; this machine has musl"
	download_deno "$(architecture x64 arm64)" "$(architecture "$DENO_SHA512_X64" "$DENO_SHA512_ARM64")" "$deno.new"
	"$deno.new" --version >/dev/null || { rm -f "$deno.new"; fail "Deno $DENO_VERSION does not run on this machine"; }
	mv "$deno.new" "$deno"
}

download_deno() { # x64|arm64 SHA512 FILE
	packages $PACKAGES_GET
	say "getting Deno $DENO_VERSION for $1 from npm (42 MB)"
	package=linux-$1-glibc
	work=$tools/.deno.$$
	mkdir -p "$work" "${3%/*}"
	download "$(registry)@deno/$package/-/$package-$DENO_VERSION.tgz" "$work/deno.tgz" ||
		npm_pack "@deno/$package@$DENO_VERSION" "$work" ||
		{ rm -rf "$work"; fail "could not get Deno. Behind a proxy set HTTPS_PROXY; for another registry NPM_CONFIG_REGISTRY; or set PMZ_DENO"; }
	digest=$(sha512sum <"$work/deno.tgz")
	[ "${digest%% *}" = "$2" ] || { rm -rf "$work"; fail "Deno's package is not the one pinned in tools/versions: sha512 ${digest%% *}"; }
	tar -xzf "$work/deno.tgz" -C "$work" package/deno
	chmod 755 "$work/package/deno"
	mv "$work/package/deno" "$3"
	rm -rf "$work"
}

# get_foreign_deno: exports PMZ_FOREIGN_DENO, the pinned Deno for the other architecture, which doesn't run here.
get_foreign_deno() {
	foreign=$(architecture arm64 x64)
	PMZ_FOREIGN_DENO=$tools/deno-$DENO_VERSION-$foreign/deno
	export PMZ_FOREIGN_DENO
	[ -e "$PMZ_FOREIGN_DENO" ] ||
		download_deno "$foreign" "$(architecture "$DENO_SHA512_ARM64" "$DENO_SHA512_X64")" "$PMZ_FOREIGN_DENO"
}

# get_foreign_libraries: exports PMZ_FOREIGN, a folder with Debian's packages of the other architecture, and gets the compiler for
# it. apt has lists of its own for that: neither dpkg nor the machine's apt hear of another architecture.
get_foreign_libraries() {
	packages $(architecture "$PACKAGES_CROSS_X64" "$PACKAGES_CROSS_ARM64")
	foreign=$(architecture arm64 amd64)
	PMZ_FOREIGN=$tools/debian-$foreign
	export PMZ_FOREIGN
	[ ! -d "$PMZ_FOREIGN" ] || return 0
	command -v apt-get >/dev/null || fail "this is no Debian: unpack its $FOREIGN_LIBRARIES for $foreign into $PMZ_FOREIGN"
	say "getting Debian's $FOREIGN_LIBRARIES for $foreign"
	work=$tools/.debian.$$
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/root"
	: >"$work/status"
	(cd "$work" && foreign_apt -qq update && foreign_apt -qq download $FOREIGN_LIBRARIES) >"$work/log" 2>&1 ||
		{ tail -n 5 "$work/log" >&2; rm -rf "$work"; fail "could not get Debian's packages for $foreign"; }
	for deb in "$work"/*.deb; do dpkg-deb -x "$deb" "$work/root"; done
	mv "$work/root" "$PMZ_FOREIGN" 2>/dev/null || [ -d "$PMZ_FOREIGN" ] || fail "$PMZ_FOREIGN could not be made"
	rm -rf "$work"
}

foreign_apt() {
	apt-get -o APT::Architecture="$foreign" -o APT::Architectures::="$foreign" -o APT::Sandbox::User=root \
		-o Dir::State="$work" -o Dir::State::Lists="$work/lists" -o Dir::State::status="$work/status" \
		-o Dir::Cache="$work/cache" -o Debug::NoLocking=1 "$@"
}

# npm knows registries that want a token, where curl doesn't.
npm_pack() { # PACKAGE FOLDER
	command -v npm >/dev/null || return 1
	(cd "$2" && npm pack --silent "$1" >/dev/null && mv ./*deno-*.tgz deno.tgz)
}

check_own_deno() {
	case $("$deno" --version) in
	"deno $DENO_VERSION "*) ;;
	*) fail "PMZ_DENO is not Deno $DENO_VERSION: $deno" ;;
	esac
}

# get_go: puts a Go that can build the test cluster on PATH.
get_go() {
	go_is_new_enough go && return 0
	PATH=$tools/go-$GO_VERSION/bin:$PATH
	export PATH GOTOOLCHAIN=local
	[ ! -x "$tools/go-$GO_VERSION/bin/go" ] || return 0
	packages $PACKAGES_GET python3
	say "getting Go $GO_VERSION from the Go module proxy (72 MB)"
	architecture=$(architecture amd64 arm64)
	expected=$(architecture "$GO_SHA256_AMD64" "$GO_SHA256_ARM64")
	proxy=${GOPROXY:-https://proxy.golang.org}
	proxy=${proxy%%[,|]*}
	module=golang.org/toolchain@v0.0.1-go$GO_VERSION.linux-$architecture
	work=$tools/.go.$$
	mkdir -p "$work"
	download "${proxy%/}/golang.org/toolchain/@v/${module#*@}.zip" "$work/go.zip" ||
		{ rm -rf "$work"; fail "could not get Go. Install Go $GO_VERSION or newer, or set GOPROXY"; }
	digest=$(sha256sum <"$work/go.zip")
	[ "${digest%% *}" = "$expected" ] || { rm -rf "$work"; fail "Go's package is not the one pinned in tools/versions: sha256 ${digest%% *}"; }
	python3 -m zipfile -e "$work/go.zip" "$work"
	chmod 755 "$work/$module"/bin/* "$work/$module"/pkg/tool/*/* # modes don't survive in a module's zip
	rm -rf "$tools/go-$GO_VERSION"
	mv "$work/$module" "$tools/go-$GO_VERSION"
	rm -rf "$work"
}

go_is_new_enough() {
	found=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
	[ "$(printf '%s\n' "$GO_VERSION" "${found#go}" | sort -V | head -n 1)" = "$GO_VERSION" ]
}
