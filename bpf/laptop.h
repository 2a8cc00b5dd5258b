// What the programs on a laptop share: whom they touch, and how they see addresses. helper/settings.ts writes
// the settings, and its test compares the two.
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define MAPPED bpf_htonl(0xffff) // the third word of ::ffff:a.b.c.d
#define LOOPBACK4 bpf_htonl(0x7f000001)

#define UID_RANGES 12
#define SETTINGS_BYTES 160

// 16 bytes in network order, IPv4 as ::ffff:a.b.c.d.
struct address {
	__u32 word[4];
};

// Both are included; none when first > last.
struct uids {
	__u32 first, last;
};

struct settings {
	__u64 netns; // cookie of the laptop's netns, others (containers) are left alone; 0: not known yet, so
		     // is all
	struct address own4; // the user's own pmz addresses: the source of all that is captured
	struct address own6;
	__u32 workers4; // listeners of each family
	__u32 workers6;
	__u32 daemon; // the daemon's thread group, whose own queries pass; 0: not known yet, so do all
	__u32 device; // index of the user's device
	__u32 udp4;   // whether UDP is carried, of each family
	__u32 udp6;
	struct uids uids[UID_RANGES]; // the user, the user's subuids, and accounts that are inside as well
};
_Static_assert(sizeof(struct settings) == SETTINGS_BYTES, "helper/settings.ts writes it");

// 0 -> what holds for all of it; helper writes
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings SEC(".maps");

static __always_inline struct settings *config(void) {
	__u32 zero = 0;
	return bpf_map_lookup_elem(&settings, &zero);
}

// The settings, where the caller is in the laptop's netns; else none.
static __always_inline struct settings *config_here(struct bpf_sock_addr *ctx) {
	struct settings *set = config();
	if (!set || !set->netns || bpf_get_netns_cookie(ctx) != set->netns)
		return 0;
	return set;
}

static __always_inline __u32 current_uid(void) {
	return (__u32)bpf_get_current_uid_gid();
}

static __always_inline __u32 current_process(void) {
	return (__u32)(bpf_get_current_pid_tgid() >> 32);
}

// Whether the caller is the user, a subuid of the user's, or an account that is inside as well.
static __always_inline int is_user(const struct settings *set) {
	__u32 uid = current_uid();
	for (int i = 0; i < UID_RANGES; i++)
		if (uid >= set->uids[i].first && uid <= set->uids[i].last)
			return 1;
	return 0;
}

static __always_inline struct address mapped(__u32 ip4) {
	return (struct address){{0, 0, MAPPED, ip4}};
}

static __always_inline struct address words(__u32 a, __u32 b, __u32 c, __u32 d) {
	return (struct address){{a, b, c, d}};
}

static __always_inline int is_mapped(const struct address *a) {
	return !a->word[0] && !a->word[1] && a->word[2] == MAPPED;
}

static __always_inline int same(const struct address *a, const struct address *b) {
	return a->word[0] == b->word[0] && a->word[1] == b->word[1] && a->word[2] == b->word[2] &&
	       a->word[3] == b->word[3];
}

// The other end, as a socket's hook sees it. `family` is the hook's: it may look at no other's fields.
static __always_inline struct address other_end(struct bpf_sock_addr *ctx, int family) {
	if (family == AF_INET)
		return mapped(ctx->user_ip4);
	return words(ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]);
}

static __always_inline void set_other_end(struct bpf_sock_addr *ctx, int family, const struct address *to,
					  __u32 port) {
	if (family == AF_INET) {
		ctx->user_ip4 = to->word[3];
	} else {
		ctx->user_ip6[0] = to->word[0];
		ctx->user_ip6[1] = to->word[1];
		ctx->user_ip6[2] = to->word[2];
		ctx->user_ip6[3] = to->word[3];
	}
	ctx->user_port = port;
}
