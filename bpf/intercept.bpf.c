// Steers new TCP connections, and UDP datagrams, to taken ports of one pod's network namespace to relay's
// sockets, as long as somebody is there to take them; in every other case the lookup goes on as if this
// program weren't there, and the pod answers. Attached to the pod's netns by a bpf_link: it goes with the
// process that holds it. One copy per pod.
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

// Shared with agent/attach/steering.ts, whose test compares them.
#define WORKERS 8
#define PORTS 256
#define OWN_ADDRESSES 64
// Shared with agent/relay/passed_flows.ts, whose test compares it: a power of two.
#define PASSED 1024
#define PASSED_SHIFT 22 // 32 bits less those of a number below PASSED
#define STALE_NS 2000000000ULL

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define SIDECAR bpf_htonl(0x7f000006) // 127.0.0.6
#define SIDECAR6 bpf_htonl(6)	      // the last quarter of ::6

// worker -> its listening socket on 127.0.0.1; attach writes, the entry goes when the last copy of the socket
// closes
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, WORKERS);
	__type(key, __u32);
	__type(value, __u64);
} listeners4 SEC(".maps");

// worker -> its listening socket on ::1; as above
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, WORKERS);
	__type(key, __u32);
	__type(value, __u64);
} listeners6 SEC(".maps");

// worker -> its UDP socket on 127.0.0.1; as above
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, WORKERS);
	__type(key, __u32);
	__type(value, __u64);
} datagrams4 SEC(".maps");

// worker -> its UDP socket on ::1; as above
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, WORKERS);
	__type(key, __u32);
	__type(value, __u64);
} datagrams6 SEC(".maps");

// A UDP flow whose datagrams relay leaves to the pod for a while, since no laptop takes them.
struct passed_flow {
	__u32 remote[4];   // the caller's address; IPv4 as ::ffff:a.b.c.d
	__u32 remote_port; // in network byte order
	__u32 local_port;  // the pod's
	__u64 until;	   // CLOCK_MONOTONIC in ns
};

// hash of a flow -> the flow that was left to the pod last; relay writes, through mmap
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PASSED);
	__type(key, __u32);
	__type(value, struct passed_flow);
} passed SEC(".maps");

// worker -> CLOCK_MONOTONIC in ns of its last beat; the worker itself writes, through mmap
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, WORKERS);
	__type(key, __u32);
	__type(value, __u64);
} beats SEC(".maps");

// protocol << 16 | port in the pod -> 1 while its session lives and has a tunnel; attach writes
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PORTS);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

// An address of the pod; IPv4 as ::ffff:a.b.c.d.
struct address {
	__u32 words[4];
};

// address of the pod -> 1; attach writes
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OWN_ADDRESSES);
	__type(key, struct address);
	__type(value, __u32);
} own_addresses SEC(".maps");

// 0 -> number of workers; attach writes
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} workers SEC(".maps");

static __always_inline int is_loopback4(__u32 ip4) {
	return (ip4 & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
}

static __always_inline int is_loopback6(__u32 a, __u32 b, __u32 c, __u32 d) {
	return !a && !b && !c && d == bpf_htonl(1);
}

// From inside the pod: from or to loopback, or from an address of the pod's own, which includes relay's dials
// to the application (without this they come back to relay). Not so 127.0.0.6 and ::6: an Istio sidecar that
// hands over what came from outside. The device isn't asked: what a pod sends to itself counts as come in by
// the device that has the address, and kernels before 5.17 don't show it.
static __always_inline int from_inside(struct bpf_sk_lookup *ctx) {
	struct address remote = {{0, 0, bpf_htonl(0xffff), ctx->remote_ip4}};

	if (ctx->family == AF_INET) {
		if (ctx->remote_ip4 == SIDECAR)
			return 0;
		// A second address has the first one as its source, when a program of the pod dials it.
		return is_loopback4(ctx->remote_ip4) || is_loopback4(ctx->local_ip4) ||
		       ctx->remote_ip4 == ctx->local_ip4 || bpf_map_lookup_elem(&own_addresses, &remote) != 0;
	}
	remote.words[0] = ctx->remote_ip6[0];
	remote.words[1] = ctx->remote_ip6[1];
	remote.words[2] = ctx->remote_ip6[2];
	remote.words[3] = ctx->remote_ip6[3];
	if (!remote.words[0] && !remote.words[1] && !remote.words[2] && remote.words[3] == SIDECAR6)
		return 0;
	return is_loopback6(remote.words[0], remote.words[1], remote.words[2], remote.words[3]) ||
	       is_loopback6(ctx->local_ip6[0], ctx->local_ip6[1], ctx->local_ip6[2], ctx->local_ip6[3]) ||
	       (remote.words[0] == ctx->local_ip6[0] && remote.words[1] == ctx->local_ip6[1] &&
		remote.words[2] == ctx->local_ip6[2] && remote.words[3] == ctx->local_ip6[3]) ||
	       bpf_map_lookup_elem(&own_addresses, &remote) != 0;
}

// The same caller and port give the same worker, so that a retransmitted SYN does too.
static __always_inline __u32 hash(struct bpf_sk_lookup *ctx) {
	__u32 address = ctx->family == AF_INET ? ctx->remote_ip4
					       : ctx->remote_ip6[0] ^ ctx->remote_ip6[1] ^
						     ctx->remote_ip6[2] ^ ctx->remote_ip6[3];

	return ((address ^ (__u32)ctx->remote_port) * 0x9E3779B1u) >> 16;
}

// Whether relay has left a flow to the pod.
static __always_inline int is_passed(struct bpf_sk_lookup *ctx, __u64 now) {
	__u32 remote[4] = {0, 0, bpf_htonl(0xffff), ctx->remote_ip4};
	__u32 port = ctx->remote_port, place;
	struct passed_flow *flow;

	if (ctx->family == AF_INET6) {
		remote[0] = ctx->remote_ip6[0];
		remote[1] = ctx->remote_ip6[1];
		remote[2] = ctx->remote_ip6[2];
		remote[3] = ctx->remote_ip6[3];
	}
	place = remote[0] ^ remote[1] ^ remote[2] ^ remote[3] ^ port ^ (ctx->local_port << 16);
	place = (place * 0x9E3779B1u) >> PASSED_SHIFT;
	flow = bpf_map_lookup_elem(&passed, &place);
	return flow && flow->until > now && flow->remote[0] == remote[0] && flow->remote[1] == remote[1] &&
	       flow->remote[2] == remote[2] && flow->remote[3] == remote[3] && flow->remote_port == port &&
	       flow->local_port == ctx->local_port;
}

// Gives the connection or datagram to a worker's socket; not 0 when it has none, or the kernel refuses.
static __always_inline long give(struct bpf_sk_lookup *ctx, __u32 worker) {
	struct bpf_sock *socket;
	long refused;

	if (ctx->protocol == IPPROTO_TCP) {
		if (ctx->family == AF_INET)
			socket = bpf_map_lookup_elem(&listeners4, &worker);
		else
			socket = bpf_map_lookup_elem(&listeners6, &worker);
	} else {
		if (ctx->family == AF_INET)
			socket = bpf_map_lookup_elem(&datagrams4, &worker);
		else
			socket = bpf_map_lookup_elem(&datagrams6, &worker);
	}
	if (!socket)
		return -1;
	refused = bpf_sk_assign(ctx, socket, 0);
	bpf_sk_release(socket);
	return refused;
}

SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx) {
	__u32 port = ctx->protocol << 16 | ctx->local_port, zero = 0, first;
	__u32 *live, *count;
	__u64 now;

	if ((ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_UDP) ||
	    (ctx->family != AF_INET && ctx->family != AF_INET6))
		return SK_PASS;
	live = bpf_map_lookup_elem(&ports, &port);
	if (!live || !*live || from_inside(ctx))
		return SK_PASS;
	count = bpf_map_lookup_elem(&workers, &zero);
	if (!count || !*count || *count > WORKERS)
		return SK_PASS;
	now = bpf_ktime_get_ns();
	if (ctx->protocol == IPPROTO_UDP && is_passed(ctx, now))
		return SK_PASS;
	first = hash(ctx) % *count;
	// The worker of the hash, or the next that still beats.
	for (__u32 i = 0; i < WORKERS; i++) {
		__u32 worker;
		__u64 *beat;

		if (i >= *count)
			break;
		worker = (first + i) % *count;
		beat = bpf_map_lookup_elem(&beats, &worker);
		if (!beat || now - *beat > STALE_NS) // unsigned: a beat from the future is none either
			continue;
		if (!give(ctx, worker))
			return SK_PASS;
	}
	return SK_PASS;
}

char _license[] SEC("license") = "GPL";
