// Sends one user's DNS queries for the configured nameservers to the daemon's stand-ins, and makes the
// answers seem to come from the nameserver that was asked: helper/names.ts loads it, one copy for each user.
#include "laptop.h"

#define DNS bpf_htons(53)
#define LEARN bpf_htons(1) // of the user's own pmz address: see `daemon`
#define STALE_NS 2000000000ULL

// 0 -> what holds for all of it; helper writes, once and before anything is attached
struct settings {
	__u64 netns;
	__u32 uid;
	__u32 unused;
	struct address own4;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings SEC(".maps");

// 0 -> the daemon's thread group, whose own queries pass; written here, when the daemon connects to port 1 of
// its pmz address: no number that it could tell would hold where it's in a pid namespace
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} daemon SEC(".maps");

struct endpoint {
	struct address address;
	__u32 port; // network order, in the low half
};

// nameserver -> the daemon's stand-in for it; helper writes
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, struct address);
	__type(value, struct endpoint);
} stand_ins SEC(".maps");

// stand-in -> its nameserver; helper writes
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, struct endpoint);
	__type(value, struct address);
} nameservers SEC(".maps");

// 0 -> CLOCK_MONOTONIC of the daemon's last beat; its names worker writes, through mmap
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} beat SEC(".maps");

static __always_inline struct settings *of_user(struct bpf_sock_addr *ctx) {
	__u32 zero = 0;
	struct settings *set = bpf_map_lookup_elem(&settings, &zero);
	if (!set || current_uid() != set->uid || bpf_get_netns_cookie(ctx) != set->netns)
		return 0;
	return set;
}

// The stand-in for a query, or none: then it goes where it was meant to.
static __always_inline struct endpoint *stand_in(struct bpf_sock_addr *ctx, const struct address *to) {
	__u32 zero = 0;
	if (ctx->user_port != DNS || !of_user(ctx))
		return 0;
	struct endpoint *found = bpf_map_lookup_elem(&stand_ins, to);
	if (!found)
		return 0;
	__u32 *own = bpf_map_lookup_elem(&daemon, &zero);
	if (own && *own == (__u32)(bpf_get_current_pid_tgid() >> 32))
		return 0;
	struct bpf_sock *sk = ctx->sk;
	if (sk && sk->bound_dev_if) // a forwarder that asks by a device means that device
		return 0;
	__u64 *last = bpf_map_lookup_elem(&beat, &zero);
	if (!last || !*last || bpf_ktime_get_ns() - *last > STALE_NS)
		return 0;
	return found;
}

static __always_inline int ask4(struct bpf_sock_addr *ctx) {
	struct address to = mapped(ctx->user_ip4);
	struct endpoint *found = stand_in(ctx, &to);
	if (found && found->address.word[2] == MAPPED) {
		ctx->user_ip4 = found->address.word[3];
		ctx->user_port = found->port;
	}
	return 1;
}

static __always_inline int ask6(struct bpf_sock_addr *ctx) {
	struct address to = words(ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]);
	struct endpoint *found = stand_in(ctx, &to);
	if (found) {
		ctx->user_ip6[0] = found->address.word[0];
		ctx->user_ip6[1] = found->address.word[1];
		ctx->user_ip6[2] = found->address.word[2];
		ctx->user_ip6[3] = found->address.word[3];
		ctx->user_port = found->port;
	}
	return 1;
}

static __always_inline int told4(struct bpf_sock_addr *ctx) {
	struct endpoint from = {.address = mapped(ctx->user_ip4), .port = ctx->user_port};
	struct address *asked = bpf_map_lookup_elem(&nameservers, &from);
	if (asked && asked->word[2] == MAPPED && of_user(ctx)) {
		ctx->user_ip4 = asked->word[3];
		ctx->user_port = DNS;
	}
	return 1;
}

static __always_inline int told6(struct bpf_sock_addr *ctx) {
	struct endpoint from = {
	    .address = words(ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]),
	    .port = ctx->user_port,
	};
	struct address *asked = bpf_map_lookup_elem(&nameservers, &from);
	if (asked && of_user(ctx)) {
		ctx->user_ip6[0] = asked->word[0];
		ctx->user_ip6[1] = asked->word[1];
		ctx->user_ip6[2] = asked->word[2];
		ctx->user_ip6[3] = asked->word[3];
		ctx->user_port = DNS;
	}
	return 1;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx) {
	struct settings *set = of_user(ctx);
	struct address to = mapped(ctx->user_ip4);
	if (set && ctx->user_port == LEARN && same(&to, &set->own4)) {
		__u32 zero = 0;
		__u32 *own = bpf_map_lookup_elem(&daemon, &zero);
		if (own && !*own)
			*own = (__u32)(bpf_get_current_pid_tgid() >> 32);
		return 0; // nothing listens there
	}
	return ask4(ctx);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx) {
	return ask6(ctx);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx) {
	return ask4(ctx);
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx) {
	return ask6(ctx);
}

SEC("cgroup/recvmsg4")
int recvmsg4(struct bpf_sock_addr *ctx) {
	return told4(ctx);
}

SEC("cgroup/recvmsg6")
int recvmsg6(struct bpf_sock_addr *ctx) {
	return told6(ctx);
}

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr *ctx) {
	return told4(ctx);
}

SEC("cgroup/getpeername6")
int getpeername6(struct bpf_sock_addr *ctx) {
	return told6(ctx);
}

char _license[] SEC("license") = "GPL";
