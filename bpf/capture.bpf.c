// Takes one user's connections to a cluster's addresses (steer, on the laptop's netns), and refuses at once
// what the cluster wouldn't answer (the hooks, on the laptop's root cgroup). helper/capture_hooks.ts loads
// it, one copy for each user; its bpf_links are the helper's and go with it.
#include "laptop.h"

#define WORKERS 8
#define ADDRESSES 65536
#define PORTS 262144
#define DESTINATIONS 4096
#define POD 1
#define SERVICE 2
#define IDENTIFY_PORT bpf_htons(1)	// of the user's pmz address: see `identities`
#define CLOSED_PORT bpf_htons(1)	// of loopback: a connect there is refused at once
#define REFUSALS_BYTES 262144		// of the ring buffer
#define OWN_RANGE bpf_htonl(0xffffff00) // /24: pmz's own addresses of all users, helper/device.ts
#define PROGRAM_BYTES 16		// of a program's name, as the kernel keeps it

// captured address -> POD (any port) or SERVICE (its served ports); helper writes
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ADDRESSES);
	__type(key, struct address);
	__type(value, __u32);
} addresses SEC(".maps");

// a Service's port that a ready endpoint serves -> 1; helper writes
struct served {
	__u16 protocol;
	__u16 port; // network order
	struct address address;
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PORTS);
	__type(key, struct served);
	__type(value, __u32);
} served SEC(".maps");

// worker -> its listening socket, of IPv4 and of IPv6; helper writes, the entry goes with the socket's last
// copy
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, WORKERS);
	__type(key, __u32);
	__type(value, __u64);
} listeners4 SEC(".maps"), listeners6 SEC(".maps");

// captured address and port -> the daemon's UDP socket that is bound to it; helper writes, the entry goes
// with the socket's last copy
struct endpoint {
	struct address address;
	__u32 port; // network order, in the lower half
};
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, DESTINATIONS);
	__type(key, struct endpoint);
	__type(value, __u64);
} destinations SEC(".maps");

// 0: IPv4, 1: IPv6 -> the daemon's UDP socket for datagrams whose destination has none yet; helper writes
#define CATCH_ALL4 0
#define CATCH_ALL6 1
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} catch_all SEC(".maps");

// 0: the helper, 1: the daemon -> who it is as the kernel sees it, which no number that it could tell would
// say where pid namespaces are. Each makes itself known by a connect to IDENTIFY_PORT of the user's pmz
// address, which fails, from the one socket whose cookie the helper has written: anybody may dial that port,
// in any netns. Helper writes `expected`, hook the rest, helper reads.
struct identity {
	__u64 expected; // cookie of the socket; 0: none yet
	__u64 netns;	// cookie
	__u32 process;
	__u32 known;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct identity);
} identities SEC(".maps");

// What the hooks refused the user's programs; hooks write, helper reads. What finds no room is counted in
// `unreported`: no program waits for the helper.
struct attempt {
	__u32 process;
	__u16 protocol;
	__u16 port; // network order
	struct address address;
};
struct refusal {
	__u64 time; // CLOCK_MONOTONIC, ns
	struct attempt attempt;
	char program[PROGRAM_BYTES];
};
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, REFUSALS_BYTES);
} refusals SEC(".maps");

// 0 -> what was refused last; hooks alone
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct attempt);
} latest SEC(".maps");

// 0 -> refusals that found no room; hooks write, helper reads
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} unreported SEC(".maps");

// What becomes of a packet for a captured address, where no socket is connected to its ends: a neighbour's
// must reach no server of the laptop, so whatever isn't the user's own is dropped, never passed on.
#define PASS 0
#define DROP 1
#define TAKE 2
static __always_inline int judge_packet(struct bpf_sk_lookup *ctx, const struct address *from,
					const struct address *to, int sees_device, int takes_udp,
					int family) {
	struct settings *set = config();
	if (!bpf_map_lookup_elem(&addresses, to))
		return PASS;
	if (!set || (ctx->protocol != IPPROTO_TCP && !(takes_udp && ctx->protocol == IPPROTO_UDP)))
		return DROP;
	// What goes over loopback counts as come in by its route's device (rt_iif, and ip6_rcv for IPv6):
	// another user's route leads to another device, a neighbour's packet has come by a third.
	if (sees_device && ctx->ingress_ifindex != set->device)
		return DROP;
	return same(from, family == AF_INET ? &set->own4 : &set->own6) ? TAKE : DROP;
}

// The worker that gets a connection: the same caller and port give the same one, so that a retransmitted SYN
// does too.
static __always_inline __u32 worker_of(struct bpf_sk_lookup *ctx, const struct address *to, int family) {
	struct settings *set = config();
	__u32 workers = !set ? 0 : family == AF_INET ? set->workers4 : set->workers6;
	if (!workers || workers > WORKERS)
		return WORKERS; // which has no listener
	return (((__u32)ctx->remote_port ^ to->word[3]) * 0x9E3779B1u >> 16) % workers;
}

static __always_inline int assign(struct bpf_sk_lookup *ctx, struct bpf_sock *socket) {
	if (!socket)
		return SK_DROP;
	long refused = bpf_sk_assign(ctx, socket, 0);
	bpf_sk_release(socket);
	return refused ? SK_DROP : SK_PASS;
}

static __always_inline int assign_udp(struct bpf_sk_lookup *ctx, const struct address *to, __u32 fallback) {
	struct endpoint destination = {*to, bpf_htons(ctx->local_port)};
	struct bpf_sock *socket = bpf_map_lookup_elem(&destinations, &destination);
	if (!socket)
		socket = bpf_map_lookup_elem(&catch_all, &fallback);
	return assign(ctx, socket);
}

// One function for each family, not inlined: merged, their loads of the context would be no longer at offsets
// that the verifier knows.
static __noinline int steer4(struct bpf_sk_lookup *ctx, int sees_device, int takes_udp) {
	struct address to = mapped(ctx->local_ip4), from = mapped(ctx->remote_ip4);
	int judged = judge_packet(ctx, &from, &to, sees_device, takes_udp, AF_INET);
	if (judged != TAKE)
		return judged == PASS ? SK_PASS : SK_DROP;
	if (takes_udp && ctx->protocol == IPPROTO_UDP)
		return assign_udp(ctx, &to, CATCH_ALL4);
	__u32 worker = worker_of(ctx, &to, AF_INET);
	return assign(ctx, bpf_map_lookup_elem(&listeners4, &worker));
}

static __noinline int steer6(struct bpf_sk_lookup *ctx, int sees_device, int takes_udp) {
	struct address to = words(ctx->local_ip6[0], ctx->local_ip6[1], ctx->local_ip6[2], ctx->local_ip6[3]);
	struct address from =
	    words(ctx->remote_ip6[0], ctx->remote_ip6[1], ctx->remote_ip6[2], ctx->remote_ip6[3]);
	int judged = judge_packet(ctx, &from, &to, sees_device, takes_udp, AF_INET6);
	if (judged != TAKE)
		return judged == PASS ? SK_PASS : SK_DROP;
	if (takes_udp && ctx->protocol == IPPROTO_UDP)
		return assign_udp(ctx, &to, CATCH_ALL6);
	__u32 worker = worker_of(ctx, &to, AF_INET6);
	return assign(ctx, bpf_map_lookup_elem(&listeners6, &worker));
}

SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx) {
	return ctx->family == AF_INET ? steer4(ctx, 1, 1) : steer6(ctx, 1, 1);
}

// For kernels before 5.17, which don't show the device.
SEC("sk_lookup")
int steer_blind(struct bpf_sk_lookup *ctx) {
	return ctx->family == AF_INET ? steer4(ctx, 0, 1) : steer6(ctx, 0, 1);
}

// For a kernel that refuses what UDP needs.
SEC("sk_lookup")
int steer_tcp(struct bpf_sk_lookup *ctx) {
	return ctx->family == AF_INET ? steer4(ctx, 0, 0) : steer6(ctx, 0, 0);
}

static __always_inline void identify(struct bpf_sock_addr *ctx, __u32 who) {
	struct identity *slot = bpf_map_lookup_elem(&identities, &who);
	if (!slot || slot->known || !slot->expected || bpf_get_socket_cookie(ctx) != slot->expected)
		return;
	slot->netns = bpf_get_netns_cookie(ctx);
	slot->process = current_process();
	slot->known = 1;
}

static __always_inline int is_own(const struct settings *set, const struct address *address) {
	return same(address, &set->own4) || same(address, &set->own6);
}

// The source that a socket is bound to.
static __always_inline struct address bound_source(struct bpf_sock_addr *ctx, int family) {
	struct bpf_sock *sk = ctx->sk;
	if (!sk)
		return words(0, 0, 0, 0);
	if (family == AF_INET)
		return mapped(sk->src_ip4);
	return words(sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2], sk->src_ip6[3]);
}

// The source that a datagram names itself (IP_PKTINFO), or that of its socket.
static __always_inline struct address named_source(struct bpf_sock_addr *ctx, int family) {
	if (family == AF_INET)
		return mapped(ctx->msg_src_ip4);
	return words(ctx->msg_src_ip6[0], ctx->msg_src_ip6[1], ctx->msg_src_ip6[2], ctx->msg_src_ip6[3]);
}

// Whether an attempt leaves the room to others: one program that tries without a pause gets half of it.
static __always_inline int yields(const struct attempt *attempt) {
	__u32 zero = 0;
	struct attempt *last = bpf_map_lookup_elem(&latest, &zero);
	if (!last)
		return 0;
	int repeats = last->process == attempt->process && last->protocol == attempt->protocol &&
		      last->port == attempt->port && same(&last->address, &attempt->address);
	if (repeats && bpf_ringbuf_query(&refusals, BPF_RB_AVAIL_DATA) > REFUSALS_BYTES / 2)
		return 1;
	*last = *attempt;
	return 0;
}

// Tells the helper of a refusal, but for the daemon's own, which sees it itself.
static __always_inline void report(struct bpf_sock_addr *ctx, const struct settings *set, __u16 protocol,
				   const struct address *to) {
	struct attempt attempt = {current_process(), protocol, (__u16)ctx->user_port, *to};
	if (attempt.process == set->daemon)
		return;
	struct refusal *refusal = 0;
	if (!yields(&attempt))
		refusal = bpf_ringbuf_reserve(&refusals, sizeof(*refusal), 0);
	if (!refusal) {
		__u32 zero = 0;
		__u64 *count = bpf_map_lookup_elem(&unreported, &zero);
		if (count)
			__sync_fetch_and_add(count, 1);
		return;
	}
	refusal->time = bpf_ktime_get_ns();
	refusal->attempt = attempt;
	bpf_get_current_comm(refusal->program, sizeof(refusal->program));
	bpf_ringbuf_submit(refusal, 0);
}

// Points a connect that must fail at a closed port of loopback: it fails at once, where dropping its packets
// would have the caller wait.
static __always_inline int refuse(struct bpf_sock_addr *ctx, int family, const struct address *to) {
	struct address loopback = is_mapped(to) ? mapped(LOOPBACK4) : words(0, 0, 0, bpf_htonl(1));
	set_other_end(ctx, family, &loopback, CLOSED_PORT);
	return 1;
}

// Whether another user would send in the name of a captured address: those of IPv4 are on the device while
// they are open, so that the kernel takes them as anybody's source. In pmz's own range another user's daemon
// answers that user's programs, maybe from the same address.
static __always_inline int poses(const struct settings *set, const struct address *source,
				 const struct address *to) {
	return is_mapped(source) && bpf_map_lookup_elem(&addresses, source) &&
	       (!is_mapped(to) || (to->word[3] ^ set->own4.word[3]) & OWN_RANGE);
}

// Whether another user would have a part in what is the user's: by the user's own address as the source (two
// users may have captured the same address, and the source is all that tells them apart), or as the peer,
// from where it would be sent what is for a captured address.
static __always_inline int meddles(const struct settings *set, const struct address *source,
				   const struct address *to) {
	return is_own(set, to) || is_own(set, source) || poses(set, source, to);
}

// Whether a socket is bound to the user's device, from which the kernel would give it the user's own address.
static __always_inline int is_on_device(struct bpf_sock_addr *ctx, const struct settings *set) {
	struct bpf_sock *sk = ctx->sk;
	return sk && sk->bound_dev_if == set->device;
}

// Whether a captured address takes what is for a port. 0: it isn't captured at all.
#define TAKEN 1
#define REFUSED 2
static __always_inline int judge_port(const struct address *to, __u16 protocol, __u16 port) {
	__u32 *kind = bpf_map_lookup_elem(&addresses, to);
	if (!kind)
		return 0;
	struct served key = {.protocol = protocol, .port = port, .address = *to};
	return *kind == POD || bpf_map_lookup_elem(&served, &key) ? TAKEN : REFUSED;
}

static __always_inline int carries_udp(const struct settings *set, int family) {
	return family == AF_INET ? set->udp4 : set->udp6;
}

static __always_inline int connect_to(struct bpf_sock_addr *ctx, int family) {
	struct address to = other_end(ctx, family);
	struct settings *set = config();
	if (set && ctx->user_port == IDENTIFY_PORT && same(&to, &set->own4)) {
		identify(ctx, 0);
		identify(ctx, 1);
		return 0;
	}
	set = config_here(ctx);
	if (!set)
		return 1;
	if (!is_user(set)) {
		struct address source = bound_source(ctx, family);
		return !is_on_device(ctx, set) && !meddles(set, &source, &to);
	}
	int is_tcp = ctx->type == SOCK_STREAM; // MPTCP as well
	if (!is_tcp && ctx->protocol != IPPROTO_UDP)
		return 1;
	int judged = judge_port(&to, is_tcp ? IPPROTO_TCP : IPPROTO_UDP, (__u16)ctx->user_port);
	if (!judged || (judged == TAKEN && (is_tcp || carries_udp(set, family))))
		return 1;
	// Of UDP not reported: getaddrinfo connects such sockets only to sort addresses, and sends nothing.
	if (is_tcp)
		report(ctx, set, IPPROTO_TCP, &to);
	return refuse(ctx, family, &to);
}

static __always_inline int send_to(struct bpf_sock_addr *ctx, int family) {
	struct address to = other_end(ctx, family);
	struct settings *set = config_here(ctx);
	if (!set)
		return 1;
	if (!is_user(set)) {
		struct address bound = bound_source(ctx, family), named = named_source(ctx, family);
		return !is_on_device(ctx, set) && !meddles(set, &bound, &to) && !meddles(set, &named, &to);
	}
	int judged = judge_port(&to, IPPROTO_UDP, (__u16)ctx->user_port);
	if (!judged || (judged == TAKEN && carries_udp(set, family)))
		return 1;
	report(ctx, set, IPPROTO_UDP, &to);
	return 0;
}

static __always_inline int bind_to(struct bpf_sock_addr *ctx, int family) {
	struct address own = other_end(ctx, family); // in a bind, the near one
	struct settings *set = config_here(ctx);
	return !set || is_user(set) || !is_own(set, &own);
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx) {
	return connect_to(ctx, AF_INET);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx) {
	return connect_to(ctx, AF_INET6);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx) {
	return send_to(ctx, AF_INET);
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx) {
	return send_to(ctx, AF_INET6);
}

SEC("cgroup/bind4")
int bind4(struct bpf_sock_addr *ctx) {
	return bind_to(ctx, AF_INET);
}

SEC("cgroup/bind6")
int bind6(struct bpf_sock_addr *ctx) {
	return bind_to(ctx, AF_INET6);
}

char _license[] SEC("license") = "GPL";
