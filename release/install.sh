#!/bin/sh
# Gets a release of pmz for this machine, compares its digest with the release's list, and has it install itself:
#   install.sh [OPTIONS OF pmz install]
# PMZ_VERSION names a release other than the newest, PMZ_RELEASES another page of releases.
set -eu

# The same as RELEASES in wire/releases.ts; empty while there is no such page.
releases=

fail() { # MESSAGE HINT
	echo "error: $1" >&2
	echo "  hint: $2" >&2
	exit 1
}

# Everything is in a function, which a shell runs only once it has read the whole script.
main() {
	releases=${PMZ_RELEASES:-$releases}
	case $releases in
	https://* | http://127.0.0.1:*) ;;
	'') fail "there are no releases of pmz yet" "build it in a checkout: ./dev build, then dist/pmz install" ;;
	*) fail "$releases is not a valid page of releases: expected https://" "set PMZ_RELEASES" ;;
	esac
	[ "$(uname -s)" = Linux ] || fail "pmz is for Linux, and this is $(uname -s)" "there is no pmz for it"
	case $(uname -m) in
	x86_64) file=pmz-linux-amd64 ;;
	aarch64) file=pmz-linux-arm64 ;;
	*) fail "pmz is for x86_64 and aarch64, and this machine is $(uname -m)" "there is no pmz for it" ;;
	esac
	for program in curl sha256sum mktemp; do
		command -v "$program" >/dev/null || fail "there is no $program on PATH" "install it, then try again"
	done
	if [ -n "${PMZ_VERSION:-}" ]; then
		from=${releases%/}/download/v${PMZ_VERSION#v}
	else
		from=${releases%/}/latest/download
	fi
	folder=$(mktemp -d)
	trap 'rm -rf "$folder"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	get "$from/SHA256SUMS" "$folder/SHA256SUMS"
	get "$from/$file" "$folder/pmz"
	expected=$(sed -n "s/^\([0-9a-f]\{64\}\)  $file\$/\1/p" "$folder/SHA256SUMS")
	found=$(sha256sum <"$folder/pmz")
	[ -n "$expected" ] || fail "$from/SHA256SUMS has no digest of $file" "nothing was installed; report it"
	[ "${found%% *}" = "$expected" ] ||
		fail "$from/$file is not what the release's list says: sha256 ${found%% *}" "nothing was installed; try again"
	chmod 755 "$folder/pmz"
	"$folder/pmz" install "$@"
}

get() { # URL FILE
	secure='=https'
	case $1 in http://127.0.0.1:*) secure='=http' ;; esac
	curl -fsSL --proto "$secure" --tlsv1.2 --retry 3 --connect-timeout 20 -o "$2" "$1" ||
		fail "$1 can't be downloaded" "behind a proxy set HTTPS_PROXY; nothing was installed"
}

main "$@"
