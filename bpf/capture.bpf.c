// Takes one user's connections to a cluster's addresses: helper/capture.ts loads it, one copy for each user.
// What another user does, and what comes from outside, passes as if this were not here, or is dropped.
#include "laptop.h"

#define WORKERS 8
#define LO 1 // the loopback device's ifindex, in every netns
#define POD 1
#define SERVICE 2
#define CLOSED_PORT bpf_htons(1) // of loopback: a connect there is refused at once

// 0 -> what holds for all of it; helper writes, once and before anything is attached
struct settings {
	__u64 netns; // cookie of the laptop's own netns: other ones (containers) are left alone
	__u32 uid;
	__u32 workers;
	struct address own4; // the user's own pmz addresses: the source of all that is captured
	struct address own6;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings SEC(".maps");

// captured address -> POD (any port) or SERVICE (its served ports); helper writes
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
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
	__uint(max_entries, 262144);
	__type(key, struct served);
	__type(value, __u32);
} served SEC(".maps");

// worker -> its listening socket, of IPv4 and of IPv6; helper writes
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, WORKERS);
	__type(key, __u32);
	__type(value, __u64);
} listeners4 SEC(".maps"), listeners6 SEC(".maps");

static __always_inline struct settings *config(void) {
	__u32 zero = 0;
	return bpf_map_lookup_elem(&settings, &zero);
}

// Who may take a connection between these two: the index of the worker, or less than 0: nobody.
static __always_inline int worker_for(struct bpf_sk_lookup *ctx, const struct settings *set,
				      const struct address *from) {
	// A neighbour's packet with a captured address must reach no server of the laptop, nor a UDP one.
	if (ctx->protocol != IPPROTO_TCP || ctx->ingress_ifindex != LO)
		return -1;
	if (!same(from, &set->own4) && !same(from, &set->own6))
		return -1;
	__u32 workers = set->workers;
	if (!workers || workers > WORKERS)
		return -1;
	return (((__u32)ctx->remote_port * 0x9E3779B1u) >> 16) % workers;
}

static __always_inline int assign(struct bpf_sk_lookup *ctx, struct bpf_sock *listener) {
	if (!listener)
		return SK_DROP;
	long refused = bpf_sk_assign(ctx, listener, 0);
	bpf_sk_release(listener);
	return refused ? SK_DROP : SK_PASS;
}

// One function for each family, not inlined: merged, their loads of the context would be no longer at offsets
// that the verifier knows.
static __noinline int steer4(struct bpf_sk_lookup *ctx) {
	struct settings *set = config();
	struct address to = mapped(ctx->local_ip4), from = mapped(ctx->remote_ip4);
	if (!set || !bpf_map_lookup_elem(&addresses, &to))
		return SK_PASS;
	int worker = worker_for(ctx, set, &from);
	return worker < 0 ? SK_DROP : assign(ctx, bpf_map_lookup_elem(&listeners4, &worker));
}

static __noinline int steer6(struct bpf_sk_lookup *ctx) {
	struct settings *set = config();
	struct address to = words(ctx->local_ip6[0], ctx->local_ip6[1], ctx->local_ip6[2], ctx->local_ip6[3]);
	struct address from =
	    words(ctx->remote_ip6[0], ctx->remote_ip6[1], ctx->remote_ip6[2], ctx->remote_ip6[3]);
	if (!set || !bpf_map_lookup_elem(&addresses, &to))
		return SK_PASS;
	int worker = worker_for(ctx, set, &from);
	return worker < 0 ? SK_DROP : assign(ctx, bpf_map_lookup_elem(&listeners6, &worker));
}

SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx) {
	return ctx->family == AF_INET ? steer4(ctx) : steer6(ctx);
}

#define PASS 0
#define REFUSE 1 // as a closed port would be
#define FORBID 2 // EPERM

// What is to happen to a socket of `source` that wants to send to `to`.
static __always_inline int judge(struct bpf_sock_addr *ctx, const struct address *to,
				 const struct address *source) {
	struct settings *set = config();
	if (!set || bpf_get_netns_cookie(ctx) != set->netns)
		return PASS;
	if (current_uid() != set->uid) {
		// Two users may have the same ClusterIP: the source is all that tells them apart, so nobody
		// takes another's.
		int theirs = same(source, &set->own4) || (same(source, &set->own6) && source->word[0]);
		return theirs ? FORBID : PASS;
	}
	__u32 *kind = bpf_map_lookup_elem(&addresses, to);
	if (!kind)
		return PASS;
	if (*kind == POD)
		return ctx->protocol == IPPROTO_TCP ? PASS : REFUSE;
	struct served port = {
	    .protocol = (__u16)ctx->protocol, .port = (__u16)ctx->user_port, .address = *to};
	if (ctx->protocol != IPPROTO_TCP) // UDP isn't carried yet
		return REFUSE;
	return bpf_map_lookup_elem(&served, &port) ? PASS : REFUSE;
}

static __always_inline struct address source4(struct bpf_sock_addr *ctx) {
	struct bpf_sock *sk = ctx->sk;
	return mapped(sk ? sk->src_ip4 : 0);
}

static __always_inline struct address source6(struct bpf_sock_addr *ctx) {
	struct bpf_sock *sk = ctx->sk;
	if (!sk)
		return words(0, 0, 0, 0);
	return words(sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2], sk->src_ip6[3]);
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx) {
	struct address to = mapped(ctx->user_ip4), source = source4(ctx);
	switch (judge(ctx, &to, &source)) {
	case FORBID:
		return 0;
	case REFUSE:
		ctx->user_ip4 = LOOPBACK4;
		ctx->user_port = CLOSED_PORT;
	}
	return 1;
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx) {
	struct address to = words(ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]);
	struct address source = source6(ctx);
	switch (judge(ctx, &to, &source)) {
	case FORBID:
		return 0;
	case REFUSE:
		ctx->user_ip6[0] = 0;
		ctx->user_ip6[1] = 0;
		ctx->user_ip6[2] = to.word[2] == MAPPED ? MAPPED : 0;
		ctx->user_ip6[3] = to.word[2] == MAPPED ? LOOPBACK4 : bpf_htonl(1);
		ctx->user_port = CLOSED_PORT;
	}
	return 1;
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx) {
	struct address to = mapped(ctx->user_ip4), source = source4(ctx);
	return judge(ctx, &to, &source) == PASS;
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx) {
	struct address to = words(ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]);
	struct address source = source6(ctx);
	return judge(ctx, &to, &source) == PASS;
}

char _license[] SEC("license") = "GPL";
