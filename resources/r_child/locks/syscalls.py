"""Linux's system calls as the locks on a child see them: what is refused, by family, what is allowed in part, and what goes through.

Every call that kernel 6.1 has is judged here, by name (`syscall_numbers` knows the numbers). What a newer kernel adds is unknown and is
answered as by an older kernel: "no such call".
"""

from __future__ import annotations

import errno


def _names(words: str) -> tuple[str, ...]:
    return tuple(words.split())


REFUSED: dict[str, tuple[str, ...]] = {
    # a link in the run's folder would make a reader follow it out
    "links": _names("link linkat symlink symlinkat"),
    # pipes, sockets and devices have no use there, and block or mislead who opens them
    "special_files": _names("mknod mknodat"),
    # Landlock has no rule for these: they would work on every file of the user
    "permissions": _names("chmod fchmod fchmodat chown fchown lchown fchownat"),
    "times": _names("utime utimes utimensat futimesat"),
    "attributes": _names(
        "setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr removexattr "
        "lremovexattr fremovexattr"
    ),
    # what acts on a path, or tells of it, without opening it, which is what Landlock looks at
    "paths_without_opening": _names(
        "truncate name_to_handle_at open_by_handle_at inotify_init inotify_init1 inotify_add_watch inotify_rm_watch "
        "fanotify_init fanotify_mark quotactl quotactl_fd lookup_dcookie"
    ),
    # space is taken by writing, which the limits see; a reservation takes a disk at once
    "reservations": _names("fallocate"),
    # also socketpair: a datagram socket of a pair can be connected to another address
    "sockets": _names(
        "socket socketpair bind connect listen accept accept4 sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg "
        "shutdown getsockname getpeername setsockopt getsockopt"
    ),
    # it outlives the run, or is not counted in its memory
    "shared_memory": _names(
        "shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl mq_open mq_unlink "
        "mq_timedsend mq_timedreceive mq_notify mq_getsetattr memfd_create memfd_secret"
    ),
    # the kernel's keyrings outlive the run
    "keys": _names("add_key request_key keyctl"),
    "other_processes": _names(
        "ptrace process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_getfd kcmp migrate_pages "
        "move_pages setpriority ioprio_set"
    ),
    # not setuid and its like: programs call them with the ids that they have (make does), and no others can be had
    "identity": _names("setgroups capset"),
    # so is clone() with any of CLONE_NEW*; clone3 hides its flags and does not exist here
    "namespaces": _names("unshare setns"),
    "mounts": _names(
        "mount umount2 pivot_root chroot open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr swapon "
        "swapoff"
    ),
    # interfaces that a script has no use for, and that had most of the kernel's holes
    "kernel": _names(
        "bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register io_setup io_destroy "
        "io_getevents io_submit io_cancel io_pgetevents kexec_load kexec_file_load init_module finit_module "
        "delete_module create_module get_kernel_syms query_module reboot acct syslog settimeofday clock_settime "
        "clock_adjtime adjtimex sethostname setdomainname iopl ioperm modify_ldt uselib vhangup personality nfsservctl "
        "afs_syscall tuxcall security vserver _sysctl sysfs ustat getpmsg putpmsg"
    ),
}

ANSWERS = {"attributes": errno.ENOTSUP, "reservations": errno.ENOTSUP}
"""What a family is answered where it is not "not permitted": as by a file system that cannot do it, which programs expect."""

SIGNALS = _names("kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal")
"""Refused where Landlock (before version 6) does not keep signals inside the run."""

ONLY_ITSELF = _names("prlimit64 sched_setaffinity sched_setscheduler sched_setparam sched_setattr")
"""Allowed with process 0, the caller itself: they would change other processes of the user."""

PROCESSES = _names("fork vfork execve execveat")
"""Refused, with clone, to a process that has to stay alone (a reader of files); R may start programs."""

ONLY_WITH: dict[str, tuple[int, tuple[int, ...], int]] = {
    # terminals and pipes; FS_IOC_SETFLAGS would make files that nobody can remove
    "ioctl": (1, (0x5401, 0x802C542A, 0x540F, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451), errno.ENOTTY),
    # not: that it lives on without its parent (1), cannot be looked at (4), adopts orphans (36)
    "prctl": (0, (2, 3, 15, 16, 21, 22, 23, 29, 30, 37, 38, 39, 40, 41, 42, 0x53564D41), errno.EINVAL),
}
"""Call -> (number of an argument, values that it may have, what others are answered). In words: TCGETS, TCGETS2, TIOCGPGRP,
TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX; PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP,
PR_SET_SECCOMP, PR_CAPBSET_READ, PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_GET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS,
PR_GET_NO_NEW_PRIVS, PR_GET_TID_ADDRESS, PR_SET_THP_DISABLE, PR_GET_THP_DISABLE, PR_SET_VMA."""

NOT_WITH: dict[str, tuple[int, tuple[int, ...], int]] = {
    "fcntl": (1, (8, 10, 15, 1024, 1026, 1031), errno.EPERM),
}
"""The same with values that it may not have: F_SETOWN, F_SETSIG and F_SETOWN_EX signal other processes, F_SETLEASE and F_NOTIFY stop
or watch them, F_SETPIPE_SZ takes memory of the kernel."""

PARTLY = ("clone", "clone3", *ONLY_WITH, *NOT_WITH)
"""clone: no namespaces; clone3, which hides its flags: "no such call", so that the C library uses clone; the others by an argument."""

ALLOWED: tuple[str, ...] = _names(
    "setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid read write open close stat fstat lstat "
    "poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn pread64 pwrite64 readv writev "
    "access pipe select sched_yield mremap msync mincore madvise dup dup2 pause nanosleep getitimer alarm setitimer "
    "getpid sendfile exit wait4 uname flock fsync fdatasync ftruncate getdents getcwd chdir fchdir rename mkdir "
    "rmdir creat unlink readlink umask gettimeofday getrlimit getrusage sysinfo times getuid getgid geteuid getegid "
    "setpgid getppid getpgrp setsid getgroups getresuid getresgid getpgid getsid capget rt_sigpending "
    "rt_sigtimedwait rt_sigsuspend sigaltstack statfs fstatfs getpriority sched_getparam sched_getscheduler "
    "sched_get_priority_max sched_get_priority_min sched_rr_get_interval mlock munlock mlockall munlockall "
    "arch_prctl setrlimit sync gettid readahead time futex sched_getaffinity set_thread_area get_thread_area "
    "epoll_create epoll_ctl_old epoll_wait_old remap_file_pages getdents64 set_tid_address restart_syscall "
    "fadvise64 timer_create timer_settime timer_gettime timer_getoverrun timer_delete clock_gettime clock_getres "
    "clock_nanosleep exit_group epoll_wait epoll_ctl mbind set_mempolicy get_mempolicy waitid ioprio_get openat "
    "mkdirat newfstatat unlinkat renameat readlinkat faccessat pselect6 ppoll set_robust_list get_robust_list "
    "splice tee sync_file_range vmsplice epoll_pwait signalfd timerfd_create eventfd timerfd_settime "
    "timerfd_gettime signalfd4 eventfd2 epoll_create1 dup3 pipe2 preadv pwritev syncfs getcpu sched_getattr "
    "renameat2 seccomp getrandom membarrier mlock2 copy_file_range preadv2 pwritev2 pkey_mprotect pkey_alloc "
    "pkey_free statx rseq pidfd_open close_range openat2 faccessat2 epoll_pwait2 landlock_create_ruleset "
    "landlock_add_rule landlock_restrict_self futex_waitv set_mempolicy_home_node"
)
"""What a process needs to compute, and to work with files that Landlock lets it open."""
