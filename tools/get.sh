# shellcheck shell=sh disable=SC2086 # lists of packages are split into words on purpose
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
	packages $PACKAGES_GET
	architecture=$(architecture x64 arm64)
	expected=$(architecture "$DENO_SHA512_X64" "$DENO_SHA512_ARM64")
	[ -n "$expected" ] || fail "tools/versions has no digest of Deno $DENO_VERSION for $architecture: set PMZ_DENO to a Deno $DENO_VERSION that you trust"
	[ ! -e /lib/ld-musl-x86_64.so.1 ] || [ -e /lib64/ld-linux-x86-64.so.2 ] || fail "Deno needs glibc; this machine has musl"
	say "getting Deno $DENO_VERSION from npm (42 MB)"
	package=linux-$architecture-glibc
	work=$tools/.deno.$$
	mkdir -p "$work"
	download "$(registry)@deno/$package/-/$package-$DENO_VERSION.tgz" "$work/deno.tgz" ||
		npm_pack "@deno/$package@$DENO_VERSION" "$work" ||
		{ rm -rf "$work"; fail "could not get Deno. Behind a proxy set HTTPS_PROXY; for another registry NPM_CONFIG_REGISTRY; or set PMZ_DENO"; }
	digest=$(sha512sum <"$work/deno.tgz")
	[ "${digest%% *}" = "$expected" ] || { rm -rf "$work"; fail "Deno's package is not the one pinned in tools/versions: sha512 ${digest%% *}"; }
	tar -xzf "$work/deno.tgz" -C "$work" package/deno
	chmod 755 "$work/package/deno"
	"$work/package/deno" --version >/dev/null || { rm -rf "$work"; fail "Deno $DENO_VERSION does not run on this machine"; }
	mkdir -p "$tools/deno-$DENO_VERSION"
	mv "$work/package/deno" "$deno"
	rm -rf "$work"
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
