# shellcheck shell=bash disable=SC2154,SC2164,SC2034 # `cluster` has the settings, and set -e
# The people on a laptop, what is theirs there, and running programs as them.

# Mounts a laptop's own folders, what it must still see of the outside's in them, and kubectl.
own_folders() { # DIR, which is the current one
	local path who
	for path in /home/* "$here" "$state" "$cache"; do
		case $path in
		/home/root | /home/alice | /home/bob) continue ;;
		/home/?* | /tmp/* | /var/tmp/*) ;;
		*) continue ;;
		esac
		[ -d "$path" ] || continue
		mkdir -p "own$path"
		mount --rbind "$path" "own$path"
	done
	for path in home tmp var/tmp; do mount --rbind "own/$path" "/$path"; done
	mount -t overlay -o "lowerdir=/usr/local/bin,upperdir=$1/own/usr/local/bin,workdir=$1/own.work" overlay /usr/local/bin
	touch /usr/local/bin/kubectl
	mount --bind "$cache/bin/kube" /usr/local/bin/kubectl
	# iproute2 makes /run/netns, and mounts it, for the first namespace with a name: no test is to see that as a change.
	ip netns add first && ip netns delete first
	mkdir /run/user
	for who in "${!people[@]}"; do install -d -m 700 -o "${people[$who]}" -g "${people[$who]}" "/run/user/${people[$who]}"; done
}

# The people of a laptop to be: their homes, passwords and rights.
settle() { # DIR
	local etc=$1/etc own=$1/own who id others='^(root|alice|bob):|^[^:]*:[^:]*:100[01]:'
	mkdir -p "$etc" "$1/own.work" "$own"/{home,tmp,var/tmp,usr/local/bin}
	chmod 1777 "$own/tmp" "$own/var/tmp"
	grep -vE "$others" /etc/passwd >"$etc/passwd" || true
	grep -vE "${others#*|}|^(alice|bob):" /etc/group >"$etc/group" || true
	install -m 640 -g shadow /dev/null "$etc/shadow"
	grep -vE '^(alice|bob):' /etc/shadow >"$etc/shadow" || true
	printf '%s\n' "alice:$(openssl passwd -6 alice):19000:0:99999:7:::" 'bob:*:19000:0:99999:7:::' >>"$etc/shadow"
	for who in "${!people[@]}"; do
		id=${people[$who]}
		echo "$who:x:$id:$id:$who:/home/$who:/bin/bash" >>"$etc/passwd"
		[ "$who" = root ] || echo "$who:x:$id:" >>"$etc/group"
		cp -r /etc/skel "$own/home/$who"
		mkdir "$own/home/$who/.kube"
		chown -R "$id:$id" "$own/home/$who"
		chmod 700 "$own/home/$who" "$own/home/$who/.kube"
	done
	install -m 440 /dev/stdin "$etc/sudoers" <<-END
		Defaults env_reset, use_pty, !lecture, !mail_badpass, !mail_no_user
		Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
		root ALL=(ALL:ALL) ALL
		alice ALL=(ALL:ALL) ALL
		bob ALL=(ALL:ALL) NOPASSWD: ALL
	END
}

# Kubeconfigs with a context for each cluster, the oldest one's current: one for plain `dev`, and one
# for each person on the laptops, with carol's beside it.
merge_kubeconfigs() {
	local who configs home
	for who in admin alice bob carol; do
		configs=()
		[ ! -d "$state/clusters" ] || mapfile -t configs < <(ls -tr "$state"/clusters/*/"$who.conf" 2>/dev/null)
		rm -f "$state/kubeconfig.$who"
		((${#configs[@]})) || continue
		KUBECONFIG=$(IFS=:; echo "${configs[*]}") kubectl config view --flatten >"$state/$who.new"
		mv "$state/$who.new" "$state/kubeconfig.$who"
	done
	for who in "${!people[@]}"; do
		for home in "$state"/dev-*/own/home/"$who"; do
			[ -d "$home" ] || continue
			give "$who" "$home/.kube/config" "${who/root/admin}"
			give "$who" "$home/.kube/carol" carol
		done
	done
}

give() { # PERSON FILE NAME: the kubeconfig of NAME, or none
	if [ -e "$state/kubeconfig.$3" ]; then
		install -m 600 -o "${people[$1]}" -g "${people[$1]}" "$state/kubeconfig.$3" "$2.new"
		mv "$2.new" "$2"
	else
		rm -f "$2"
	fi
}

plug() { # down|up [--laptop K]
	local to=$1; shift
	while (($#)); do
		case $1 in
		--laptop) laptop=$2 ;;
		*) usage ;;
		esac
		shift 2
	done
	on "$state/inet" ip link set "p0.$laptop" "$to"
}

# Unplugs a laptop, and plugs it in again.
cut() { plug down "$@"; }

restore() { plug up "$@"; }

dev() {
	local config=$state/kubeconfig.admin id path=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games
	if [ -n "$user" ]; then
		id=${people[$user]:-}
		[ -n "$id" ] || fail "no such person: $user"
		[ -z "${named:-}" ] || fail "--user sees every cluster: choose one by kubectl's --context, not by --name"
		((id)) || path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
		enter "$state/dev-$laptop" setpriv --reuid "$id" --regid "$id" --init-groups \
			env -i -C "/home/$user" ${TERM:+TERM="$TERM"} ${LANG:+LANG="$LANG"} HOME="/home/$user" SHELL=/bin/bash \
			USER="$user" LOGNAME="$user" PATH="$path" XDG_RUNTIME_DIR="/run/user/$id" "$@"
	fi
	[ -z "${named:-}" ] || config=$state/clusters/$name/admin.conf
	# A laptop that another checkout has made may not see this one's folder.
	enter "$state/dev-$laptop" env KUBECONFIG="$config" bash -c 'cd "$0" 2>/dev/null || cd /; exec "$@"' "$PWD" "$@"
}

# Puts a program where everyone on a laptop can run it. One that is running there goes on with its old file.
install_program() { # FILE [--laptop K]
	local file=$1 laptops=(1 2) number target; shift
	while (($#)); do
		case $1 in
		--laptop) laptops=("$2") ;;
		*) usage ;;
		esac
		shift 2
	done
	[ -f "$file" ] || fail "there is no file $file"
	target=/usr/local/bin/${file##*/}
	for number in "${laptops[@]}"; do
		on "$state/dev-$number" sh -ec 'cat >"$0.new"; chmod 755 "$0.new"; mv "$0.new" "$0"' "$target" <"$file"
	done
}
