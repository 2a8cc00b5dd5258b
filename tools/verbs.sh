# shellcheck shell=sh disable=SC2154,SC2086,SC2046 # dev sets $root, get.sh $deno; lists of packages are split on purpose
# What each verb of dev does. $root is the current folder.

cluster=$root/tests/cluster/cluster

verb_get() {
	# All at once: each call of apt costs seconds.
	packages $PACKAGES_GET $PACKAGES_CHECK $PACKAGES_BPF $PACKAGES_BUILD $PACKAGES_TEST $PACKAGES_CLUSTER \
		$(architecture "$PACKAGES_CROSS_X64" "$PACKAGES_CROSS_ARM64")
	get_deno
	get_foreign_libraries
	get_go
}

verb_deno() {
	get_deno
	exec "$deno" "$@"
}

verb_check() {
	packages $PACKAGES_CHECK
	get_deno
	. "$root/tools/check.sh"
	check_all
}

verb_fix() {
	packages $PACKAGES_CHECK
	get_deno
	. "$root/tools/check.sh"
	"$deno" fmt -q
	"$deno" lint -q --fix
	c_files | xargs -r "clang-format-$CLANG_VERSION" -i
}

verb_cluster() {
	case ${1:-} in
	up | build) "$cluster" deps ;;
	esac
	exec "$cluster" "$@"
}

verb_bpf() {
	packages $PACKAGES_BPF
	get_deno
	exec "$deno" run -A build/bpf.ts "$@"
}

verb_build() {
	packages $PACKAGES_BUILD
	get_deno
	get_foreign_libraries
	case " $* " in
	*" --arch $(architecture arm64 amd64) "*) get_foreign_deno ;;
	esac
	exec "$deno" run -A --frozen build/build.ts "$@"
}

# The demo, and how port-forwards behave, on the oldest and on the newest Kubernetes there is in tests/cluster/kube.
test_matrix() {
	failed=
	versions=$(printf '%s\n' tests/cluster/kube/[0-9]* | sort -V)
	for folder in $(echo "$versions" | sed -n '1p;$p'); do
		version=${folder##*/}
		echo "== Kubernetes $version"
		PMZ_KUBERNETES=$version ./dev demo && PMZ_KUBERNETES=$version ./dev test tests/e2e/port_forward_test.ts ||
			failed="$failed $version"
	done
	[ -z "$failed" ] || { echo "dev: failed on Kubernetes$failed" >&2; return 1; }
}

# on_cluster SCRIPT ARGUMENTS...: runs a script that brings up a test cluster for the built file.
on_cluster() {
	verb_get
	"$deno" run -A --frozen build/build.ts
	export PMZ_DENO="$deno"
	"$cluster" build
	exec "$deno" run -A --frozen "$@"
}

verb_demo() { on_cluster tests/e2e/demo.ts "$@"; }

verb_recording() { on_cluster tests/recording/record.ts "$@"; }

verb_screenshots() { on_cluster tests/recording/page.ts "$@"; }

verb_bench() {
	verb_get
	packages wrk
	"$deno" run -A --frozen build/libbpf.ts
	export PMZ_DENO="$deno"
	case " $* " in
	*" --help "* | *" -h "* | *" --show "*) ;;
	*" cluster "* | *" distance "* | *" intercepts "* | *" scale "*) bench_cluster ;;
	*" start "*) "$deno" run -A --frozen build/build.ts ;;
	*" loopback "* | *" personal "*) ;;
	*) bench_cluster ;;
	esac
	exec "$deno" run -A --frozen tests/bench/main.ts "$@"
}

verb_soak() {
	verb_get
	export PMZ_DENO="$deno"
	case " $* " in
	*" --help "* | *" -h "*) ;;
	*) bench_cluster ;;
	esac
	exec "$deno" run -A --frozen tests/soak/main.ts "$@"
}

bench_cluster() {
	"$deno" run -A --frozen build/build.ts
	"$cluster" build
}

# Tests on Debian's older kernels, in machines of QEMU: tests/kernels/main.ts.
test_kernels() {
	shift
	verb_get
	packages $PACKAGES_KERNELS
	"$deno" run -A --frozen build/libbpf.ts
	exec "$deno" run -A --frozen tests/kernels/main.ts "$@"
}

verb_test() {
	case ${1:-} in
	matrix)
		test_matrix
		return
		;;
	kernels) test_kernels "$@" ;;
	esac
	verb_get
	"$deno" run -A --frozen build/libbpf.ts
	export PMZ_DENO="$deno"
	exec "$deno" run -A --frozen tests/run.ts "$@"
}
