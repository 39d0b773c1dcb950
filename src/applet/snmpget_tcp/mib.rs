//! What the kernel's TCP counters mean: one sentence each, and the SNMP objects of RFC 4022.
//!
//! The names are those nstat prints: the group of /proc/net/snmp or /proc/net/netstat (Tcp,
//! TcpExt, MPTcpExt) and the field, in one word. What a field counts was read in the kernel
//! where it is incremented (net/ipv4, net/mptcp); include/uapi/linux/snmp.h and
//! net/mptcp/mib.c list the fields. A counter without a unit in its sentence counts events.

/// The type of an SNMP object, as RFC 2578 names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// A named number, of which RFC 4022 lists the values.
    Integer,
    /// A signed number of 32 bits.
    Integer32,
    /// A number of 32 bits that goes up and down.
    Gauge32,
    /// A number of 32 bits that only goes up and wraps to 0.
    Counter32,
}

impl Syntax {
    /// The name of the type in RFC 2578.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Syntax::Integer => "INTEGER",
            Syntax::Integer32 => "Integer32",
            Syntax::Gauge32 => "Gauge32",
            Syntax::Counter32 => "Counter32",
        }
    }
}

/// One object of the tcp group of RFC 4022, 1.3.6.1.2.1.6, for which the kernel has a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object {
    /// The name of the field in the group Tcp of /proc/net/snmp; with tcp before it, the object's.
    pub field: &'static str,
    /// The number of the object in the tcp group.
    pub number: u32,
    /// The type of the object. RtoMin and RtoMax are in milliseconds.
    pub syntax: Syntax,
}

/// The objects of RFC 4022 the kernel has a value for, in the order of its fields. Number 13 is
/// a table; InCsumErrors is Linux's own and no object.
pub const OBJECTS: [Object; 14] = [
    Object { field: "RtoAlgorithm", number: 1, syntax: Syntax::Integer },
    Object { field: "RtoMin", number: 2, syntax: Syntax::Integer32 },
    Object { field: "RtoMax", number: 3, syntax: Syntax::Integer32 },
    Object { field: "MaxConn", number: 4, syntax: Syntax::Integer32 },
    Object { field: "ActiveOpens", number: 5, syntax: Syntax::Counter32 },
    Object { field: "PassiveOpens", number: 6, syntax: Syntax::Counter32 },
    Object { field: "AttemptFails", number: 7, syntax: Syntax::Counter32 },
    Object { field: "EstabResets", number: 8, syntax: Syntax::Counter32 },
    Object { field: "CurrEstab", number: 9, syntax: Syntax::Gauge32 },
    Object { field: "InSegs", number: 10, syntax: Syntax::Counter32 },
    Object { field: "OutSegs", number: 11, syntax: Syntax::Counter32 },
    Object { field: "RetransSegs", number: 12, syntax: Syntax::Counter32 },
    Object { field: "InErrs", number: 14, syntax: Syntax::Counter32 },
    Object { field: "OutRsts", number: 15, syntax: Syntax::Counter32 },
];

/// The sentence for a counter, by the name nstat gives it: TcpCurrEstab, TcpExtTCPTimeouts,
/// MPTcpExtMPCapableSYNRX. None for a name this version does not know.
#[must_use]
pub fn meaning(name: &[u8]) -> Option<&'static str> {
    let found = MEANINGS.binary_search_by(|(known, _)| known.as_bytes().cmp(name)).ok()?;
    MEANINGS.get(found).map(|(_, sentence)| *sentence)
}

/// Whether the value of a counter, by the name nstat gives it, goes up and down or is a constant
/// instead of only growing. The kernel decrements no other TCP or MPTCP field.
#[must_use]
pub fn is_level(name: &[u8]) -> bool {
    matches!(
        name,
        b"TcpRtoAlgorithm"
            | b"TcpRtoMin"
            | b"TcpRtoMax"
            | b"TcpMaxConn"
            | b"TcpCurrEstab"
            | b"MPTcpExtMPCurrEstab"
    )
}

/// The name and the sentence of every counter known, in byte order of the names.
const MEANINGS: [(&str, &str); 238] = [
    ("MPTcpExtAddAddr", "ADD_ADDR received, each an address announced by a peer"),
    (
        "MPTcpExtAddAddrDrop",
        "ADD_ADDR received but dropped because the path manager was busy or absent",
    ),
    ("MPTcpExtAddAddrTx", "ADD_ADDR sent, each an address announced to a peer"),
    (
        "MPTcpExtAddAddrTxDrop",
        "ADD_ADDR not sent because another was pending or the header had no room",
    ),
    (
        "MPTcpExtBlackhole",
        "times outgoing MPTCP was paused because only SYNs without MP_CAPABLE got through",
    ),
    (
        "MPTcpExtDSSCorruptionFallback",
        "connections fallen back to TCP because data and mapping (DSS) disagree",
    ),
    ("MPTcpExtDSSCorruptionReset", "subflows reset because data and mapping (DSS) disagree"),
    (
        "MPTcpExtDSSNoMatchTCP",
        "data mappings (DSS) rejected because they miss the TCP sequence numbers",
    ),
    (
        "MPTcpExtDSSNotMatching",
        "data mappings (DSS) rejected because they contradict the one in use",
    ),
    (
        "MPTcpExtDataCsumErr",
        "data mappings whose checksum is wrong, as when a middlebox altered the data",
    ),
    (
        "MPTcpExtDssFallback",
        "connections fallen back to TCP because a data mapping (DSS) was bad or missing",
    ),
    ("MPTcpExtDuplicateData", "packets dropped because MPTCP had received their data already"),
    ("MPTcpExtEchoAdd", "ADD_ADDR echoes received, each confirming an announcement of ours"),
    ("MPTcpExtEchoAddTx", "ADD_ADDR echoes sent, each confirming an announcement of the peer"),
    (
        "MPTcpExtEchoAddTxDrop",
        "ADD_ADDR echoes not sent because another was pending or the header had no room",
    ),
    (
        "MPTcpExtFallbackFailed",
        "times TCP fallback was due but no longer possible, so the subflow was reset",
    ),
    ("MPTcpExtInfiniteMapRx", "infinite mappings received, from peers that fall back to TCP"),
    ("MPTcpExtInfiniteMapTx", "infinite mappings sent, to fall back to TCP"),
    (
        "MPTcpExtMD5SigFallback",
        "connections fallen back to TCP because the socket uses TCP MD5 signatures",
    ),
    (
        "MPTcpExtMPCapableACKRX",
        "incoming MPTCP connections accepted after a third ACK with MP_CAPABLE",
    ),
    (
        "MPTcpExtMPCapableDataFallback",
        "connections fallen back to TCP because the first data or ACK lacked MPTCP options",
    ),
    (
        "MPTcpExtMPCapableEndpAttempt",
        "new connections refused on a port announced for joining subflows only",
    ),
    (
        "MPTcpExtMPCapableFallbackACK",
        "incoming connections fallen back to TCP because the third ACK lacked MP_CAPABLE",
    ),
    (
        "MPTcpExtMPCapableFallbackSYNACK",
        "outgoing connections fallen back to TCP because the SYN-ACK lacked MP_CAPABLE",
    ),
    (
        "MPTcpExtMPCapableSYNACKRX",
        "SYN-ACKs received with MP_CAPABLE, from peers that agree to MPTCP",
    ),
    ("MPTcpExtMPCapableSYNRX", "SYNs received with MP_CAPABLE, from peers that want MPTCP"),
    ("MPTcpExtMPCapableSYNTX", "outgoing connections begun with MP_CAPABLE in the SYN"),
    (
        "MPTcpExtMPCapableSYNTXDisabled",
        "outgoing connections made on TCP because MPTCP is paused after a blackhole",
    ),
    (
        "MPTcpExtMPCapableSYNTXDrop",
        "outgoing connections retried on TCP because SYNs with MP_CAPABLE got no answer",
    ),
    ("MPTcpExtMPCurrEstab", "MPTCP connections that are now in ESTABLISHED or CLOSE-WAIT"),
    (
        "MPTcpExtMPFailRx",
        "MP_FAIL received, from peers that found a wrong data checksum or answer ours",
    ),
    ("MPTcpExtMPFailTx", "MP_FAIL sent because of a wrong data checksum, or to answer an MP_FAIL"),
    (
        "MPTcpExtMPFallbackTokenInit",
        "connections fallen back to TCP because no unique token could be made",
    ),
    (
        "MPTcpExtMPFastcloseRx",
        "MP_FASTCLOSE received, from peers that abort a whole MPTCP connection",
    ),
    ("MPTcpExtMPFastcloseTx", "MP_FASTCLOSE sent, to abort a whole MPTCP connection"),
    ("MPTcpExtMPJoinAckHMacFailure", "subflows reset because the MP_JOIN ACK had a wrong HMAC"),
    ("MPTcpExtMPJoinAckRx", "MP_JOIN ACKs received that completed a new subflow"),
    (
        "MPTcpExtMPJoinNoTokenFound",
        "MP_JOIN SYNs refused because their token belongs to no connection",
    ),
    (
        "MPTcpExtMPJoinPortAckRx",
        "MP_JOIN ACKs received on an announced port other than the connection's own",
    ),
    (
        "MPTcpExtMPJoinPortSynAckRx",
        "MP_JOIN SYN-ACKs received from a port other than the connection's own",
    ),
    (
        "MPTcpExtMPJoinPortSynRx",
        "MP_JOIN SYNs received on an announced port other than the connection's own",
    ),
    ("MPTcpExtMPJoinRejected", "MP_JOIN requests refused because no further subflow is allowed"),
    ("MPTcpExtMPJoinSynAckBackupRx", "MP_JOIN SYN-ACKs received that mark the subflow as a backup"),
    (
        "MPTcpExtMPJoinSynAckHMacFailure",
        "subflows reset because the MP_JOIN SYN-ACK had a wrong HMAC",
    ),
    ("MPTcpExtMPJoinSynAckRx", "MP_JOIN SYN-ACKs received with a correct HMAC"),
    ("MPTcpExtMPJoinSynBackupRx", "MP_JOIN SYNs received that mark the subflow as a backup"),
    ("MPTcpExtMPJoinSynRx", "MP_JOIN SYNs received, from peers that want to add a subflow"),
    ("MPTcpExtMPJoinSynTx", "MP_JOIN SYNs sent to add a subflow"),
    (
        "MPTcpExtMPJoinSynTxBindErr",
        "subflows not started because their local address could not be bound",
    ),
    ("MPTcpExtMPJoinSynTxConnectErr", "subflows not started because connect failed at once"),
    (
        "MPTcpExtMPJoinSynTxCreatSkErr",
        "subflows not started because their socket could not be created",
    ),
    ("MPTcpExtMPPrioRx", "MP_PRIO received, each to change the priority of a subflow"),
    ("MPTcpExtMPPrioTx", "MP_PRIO sent, each to change the priority of a subflow"),
    ("MPTcpExtMPRstRx", "RSTs received that give their reason in MP_TCPRST"),
    ("MPTcpExtMPRstTx", "RSTs sent that give their reason in MP_TCPRST"),
    ("MPTcpExtMPTCPRetrans", "retransmissions at MPTCP level, often on another subflow"),
    ("MPTcpExtMismatchPortAckRx", "MP_JOIN ACKs refused because their port was not announced"),
    ("MPTcpExtMismatchPortSynRx", "MP_JOIN SYNs refused because their port was not announced"),
    ("MPTcpExtNoDSSInWindow", "packets dropped because they end beyond MPTCP's receive window"),
    ("MPTcpExtOFOMerge", "packets merged with another in MPTCP's out-of-order queue"),
    ("MPTcpExtOFOQueue", "packets received out of order across subflows and queued by MPTCP"),
    ("MPTcpExtOFOQueueTail", "packets added at the tail of MPTCP's out-of-order queue"),
    ("MPTcpExtPortAdd", "ADD_ADDR received, or echoed to us, that name a port"),
    (
        "MPTcpExtRcvPruned",
        "packets dropped because MPTCP could not get receive memory (old kernels)",
    ),
    (
        "MPTcpExtRcvWndConflict",
        "times two subflows raised the shared receive window at the same moment",
    ),
    (
        "MPTcpExtRcvWndConflictUpdate",
        "times a subflow took over the larger window another one offered meanwhile",
    ),
    (
        "MPTcpExtRcvWndShared",
        "times a subflow offered the receive window of the MPTCP connection, not its own",
    ),
    ("MPTcpExtRmAddr", "addresses withdrawn by peers with RM_ADDR"),
    ("MPTcpExtRmAddrDrop", "RM_ADDR received but dropped because another was still being handled"),
    ("MPTcpExtRmAddrTx", "addresses withdrawn from peers with RM_ADDR"),
    (
        "MPTcpExtRmAddrTxDrop",
        "addresses whose RM_ADDR was not sent because another signal was pending",
    ),
    ("MPTcpExtRmSubflow", "subflows closed by the path manager of this host"),
    (
        "MPTcpExtSimultConnectFallback",
        "connections fallen back to TCP because both ends connected at once",
    ),
    (
        "MPTcpExtSndWndShared",
        "times a subflow's send window was raised to that of the MPTCP connection",
    ),
    ("MPTcpExtSubflowRecover", "stale subflows put back to use because they made progress again"),
    ("MPTcpExtSubflowStale", "subflows set aside because they stalled while another one works"),
    ("MPTcpExtWinProbe", "zero window probes sent at MPTCP level"),
    ("TcpActiveOpens", "outgoing connections begun, each by sending a SYN"),
    (
        "TcpAttemptFails",
        "connection attempts that failed: refused, unanswered or reset while half-open",
    ),
    ("TcpCurrEstab", "connections that are now in ESTABLISHED or CLOSE-WAIT"),
    (
        "TcpEstabResets",
        "connections cut from ESTABLISHED or CLOSE-WAIT to CLOSED: reset, aborted or timed out",
    ),
    (
        "TcpExtArpFilter",
        "ARP requests not answered because the route back uses another device (arp_filter)",
    ),
    ("TcpExtBeyondWindow", "segments dropped because they start or end beyond the receive window"),
    ("TcpExtBusyPollRxPackets", "packets received by busy polling"),
    (
        "TcpExtDelayedACKLocked",
        "times the delayed ACK timer was put off because a process had the socket locked",
    ),
    (
        "TcpExtDelayedACKLost",
        "segments received although already acknowledged, so our ACK was lost or late",
    ),
    ("TcpExtDelayedACKs", "ACKs sent when the delayed ACK timer ran out"),
    (
        "TcpExtEmbryonicRsts",
        "half-open connections ended by an RST, a stray SYN or tcp_abort_on_overflow",
    ),
    (
        "TcpExtIPReversePathFilter",
        "packets dropped because the reverse path check failed (rp_filter)",
    ),
    (
        "TcpExtListenDrops",
        "SYNs and handshake ACKs dropped by a listener for any reason, overflow included",
    ),
    (
        "TcpExtListenOverflows",
        "SYNs and handshake ACKs dropped because the listener's accept queue was full",
    ),
    (
        "TcpExtLockDroppedIcmps",
        "ICMP errors mostly ignored because a process had the socket locked",
    ),
    ("TcpExtOfoPruned", "times out-of-order data was thrown away because receive memory ran short"),
    (
        "TcpExtOutOfWindowIcmps",
        "ICMP errors ignored because they quote a sequence number not in flight",
    ),
    (
        "TcpExtPAWSActive",
        "answers to our SYN rejected because they echo a timestamp we did not send",
    ),
    (
        "TcpExtPAWSEstab",
        "segments rejected because their timestamp is older than the last one (PAWS)",
    ),
    (
        "TcpExtPAWSOldAck",
        "pure ACKs dropped because both timestamp and sequence number are old (reordering)",
    ),
    (
        "TcpExtPAWSPassive",
        "SYNs dropped for a timestamp older than the host's last (tcp_tw_recycle, old kernels)",
    ),
    (
        "TcpExtPAWSTimewait",
        "segments for a TIME-WAIT entry rejected because their timestamp is old (PAWS)",
    ),
    (
        "TcpExtPFMemallocDrop",
        "packets dropped because they hold memory reserved for freeing memory (swap)",
    ),
    (
        "TcpExtPruneCalled",
        "times a socket short of receive memory had to shrink its receive queues",
    ),
    (
        "TcpExtRcvPruned",
        "times shrinking the receive queues did not free enough to take a new segment",
    ),
    (
        "TcpExtSyncookiesFailed",
        "ACKs to a listener refused because their SYN cookie was invalid or too old",
    ),
    ("TcpExtSyncookiesRecv", "handshake ACKs received with a valid SYN cookie"),
    (
        "TcpExtSyncookiesSent",
        "SYN-ACKs sent with a SYN cookie, normally because the SYN queue was full",
    ),
    ("TcpExtTCPACKSkippedChallenge", "challenge ACKs skipped by tcp_invalid_ratelimit"),
    (
        "TcpExtTCPACKSkippedFinWait2",
        "ACKs to invalid segments in FIN-WAIT-2 skipped by tcp_invalid_ratelimit",
    ),
    (
        "TcpExtTCPACKSkippedPAWS",
        "ACKs to segments with an old timestamp skipped by tcp_invalid_ratelimit",
    ),
    (
        "TcpExtTCPACKSkippedSeq",
        "ACKs to segments out of the window skipped by tcp_invalid_ratelimit",
    ),
    (
        "TcpExtTCPACKSkippedSynRecv",
        "replies to a half-open connection skipped by tcp_invalid_ratelimit",
    ),
    (
        "TcpExtTCPACKSkippedTimeWait",
        "ACKs to invalid segments in TIME-WAIT skipped by tcp_invalid_ratelimit",
    ),
    ("TcpExtTCPAOBad", "segments dropped because their TCP-AO signature is wrong or out of place"),
    (
        "TcpExtTCPAODroppedIcmps",
        "ICMP errors ignored because the connection is protected by TCP-AO",
    ),
    ("TcpExtTCPAOGood", "segments received with a correct TCP-AO signature"),
    ("TcpExtTCPAOKeyNotFound", "segments dropped because no key matches their TCP-AO signature"),
    ("TcpExtTCPAORequired", "segments dropped because they lack the required TCP-AO signature"),
    ("TcpExtTCPAbortFailed", "RSTs for an aborted connection that could not be sent"),
    (
        "TcpExtTCPAbortOnClose",
        "connections reset because the process closed with received data unread",
    ),
    (
        "TcpExtTCPAbortOnData",
        "connections aborted because data came after close, or by SO_LINGER with time 0",
    ),
    (
        "TcpExtTCPAbortOnLinger",
        "connections reset at close in FIN-WAIT-2 because TCP_LINGER2 is negative",
    ),
    (
        "TcpExtTCPAbortOnMemory",
        "orphaned connections ended because of tcp_max_orphans or lack of TCP memory",
    ),
    ("TcpExtTCPAbortOnSyn", "connections reset because a SYN arrived in the window (old kernels)"),
    (
        "TcpExtTCPAbortOnTimeout",
        "connections given up after too many unanswered retransmissions or probes",
    ),
    ("TcpExtTCPAckCompressed", "ACKs saved by answering several out-of-order segments with one"),
    (
        "TcpExtTCPAutoCorking",
        "times a small packet was held back to gather more data (tcp_autocorking)",
    ),
    ("TcpExtTCPBacklogCoalesce", "segments merged with another that waited for a locked socket"),
    ("TcpExtTCPBacklogDrop", "segments dropped because the backlog of a locked socket was full"),
    ("TcpExtTCPChallengeACK", "challenge ACKs sent to verify a suspect SYN, RST or ACK (RFC 5961)"),
    (
        "TcpExtTCPDSACKIgnoredDubious",
        "DSACKs ignored because they report more than was ever retransmitted",
    ),
    (
        "TcpExtTCPDSACKIgnoredNoUndo",
        "DSACK blocks ignored because there was no window cut left to undo",
    ),
    (
        "TcpExtTCPDSACKIgnoredOld",
        "DSACK blocks ignored because they are invalid or older than the loss under repair",
    ),
    (
        "TcpExtTCPDSACKOfoRecv",
        "DSACKs received for duplicates of data the peer still holds out of order",
    ),
    ("TcpExtTCPDSACKOfoSent", "DSACKs made for duplicates of data still waiting out of order"),
    ("TcpExtTCPDSACKOldSent", "DSACKs made for duplicates of data already received in order"),
    (
        "TcpExtTCPDSACKRecv",
        "DSACKs received for data already acknowledged, so sent twice without need",
    ),
    ("TcpExtTCPDSACKRecvSegs", "segments that DSACKs from the peer report as received twice"),
    (
        "TcpExtTCPDSACKUndo",
        "window cuts undone because DSACKs showed all retransmissions to be needless",
    ),
    ("TcpExtTCPDeferAcceptDrop", "handshake ACKs without data ignored because of TCP_DEFER_ACCEPT"),
    (
        "TcpExtTCPDelivered",
        "segments the peer reported by ACK or SACK to have arrived, duplicates included",
    ),
    ("TcpExtTCPDeliveredCE", "segments delivered under ACKs that report congestion (ECN)"),
    (
        "TcpExtTCPDirectCopyFromBacklog",
        "bytes copied straight from the backlog to the reader (old kernels)",
    ),
    (
        "TcpExtTCPDirectCopyFromPrequeue",
        "bytes copied straight from the prequeue to the reader (old kernels)",
    ),
    (
        "TcpExtTCPFACKReorder",
        "times SACK showed reordering on a connection with FACK (old kernels)",
    ),
    (
        "TcpExtTCPFastOpenActive",
        "outgoing Fast Open connections whose SYN data the peer acknowledged",
    ),
    (
        "TcpExtTCPFastOpenActiveFail",
        "outgoing Fast Open attempts whose SYN data was refused or timed out",
    ),
    (
        "TcpExtTCPFastOpenBlackhole",
        "times outgoing Fast Open was paused because the network seemed to drop it",
    ),
    ("TcpExtTCPFastOpenCookieReqd", "SYNs received that ask for a Fast Open cookie"),
    (
        "TcpExtTCPFastOpenListenOverflow",
        "incoming Fast Open attempts refused because too many were pending",
    ),
    ("TcpExtTCPFastOpenPassive", "incoming Fast Open connections set up on their SYN"),
    (
        "TcpExtTCPFastOpenPassiveAltKey",
        "incoming Fast Open connections whose cookie came from the backup key",
    ),
    (
        "TcpExtTCPFastOpenPassiveFail",
        "incoming Fast Open attempts that failed: cookie invalid or no socket made",
    ),
    ("TcpExtTCPFastRetrans", "segments retransmitted by fast retransmit, not after a timeout"),
    (
        "TcpExtTCPForwardRetrans",
        "segments retransmitted in recovery before they were marked lost (old kernels)",
    ),
    ("TcpExtTCPFromZeroWindowAdv", "times the receive window offered opened again from zero"),
    (
        "TcpExtTCPFullUndo",
        "fast recoveries undone at their end because nothing had really been lost",
    ),
    ("TcpExtTCPHPAcks", "ACKs of new data processed on the fast path (header prediction)"),
    ("TcpExtTCPHPHits", "data segments received on the fast path (header prediction)"),
    ("TcpExtTCPHPHitsToUser", "fast path segments copied straight to the reader (old kernels)"),
    (
        "TcpExtTCPHystartDelayCwnd",
        "sum in packets of the congestion windows at TCPHystartDelayDetect",
    ),
    (
        "TcpExtTCPHystartDelayDetect",
        "times HyStart ended slow start because the round-trip time grew",
    ),
    (
        "TcpExtTCPHystartTrainCwnd",
        "sum in packets of the congestion windows at TCPHystartTrainDetect",
    ),
    (
        "TcpExtTCPHystartTrainDetect",
        "times HyStart ended slow start because a train of ACKs grew long",
    ),
    ("TcpExtTCPKeepAlive", "keepalive probes sent"),
    (
        "TcpExtTCPLoss",
        "times more data was marked lost on a SACK for data sent in recovery (old kernels)",
    ),
    (
        "TcpExtTCPLossFailures",
        "retransmission timeouts while the loss behind an earlier one was under repair",
    ),
    ("TcpExtTCPLossProbeRecovery", "losses detected and repaired by a tail loss probe"),
    (
        "TcpExtTCPLossProbes",
        "tail loss probes sent, to provoke an ACK before the retransmission timeout",
    ),
    ("TcpExtTCPLossUndo", "window cuts undone because the retransmission timeout proved needless"),
    ("TcpExtTCPLostRetransmit", "retransmitted segments found to be lost again"),
    ("TcpExtTCPMD5Failure", "segments dropped because their TCP MD5 signature is wrong"),
    ("TcpExtTCPMD5NotFound", "segments dropped because they lack the required TCP MD5 signature"),
    (
        "TcpExtTCPMD5Unexpected",
        "segments dropped because they carry a TCP MD5 signature but no key is set",
    ),
    ("TcpExtTCPMTUPFail", "path MTU probes lost, so packets stay smaller (tcp_mtu_probing)"),
    ("TcpExtTCPMTUPSuccess", "path MTU probes acknowledged, so packets grow (tcp_mtu_probing)"),
    ("TcpExtTCPMemoryPressures", "times TCP as a whole entered memory pressure (tcp_mem)"),
    (
        "TcpExtTCPMemoryPressuresChrono",
        "milliseconds TCP spent in memory pressure, added when it ends",
    ),
    (
        "TcpExtTCPMigrateReqFailure",
        "pending connections of a closed listener that could not be moved to another",
    ),
    (
        "TcpExtTCPMigrateReqSuccess",
        "pending connections moved from a closed listener to one sharing its port",
    ),
    (
        "TcpExtTCPMinTTLDrop",
        "packets dropped because their TTL or hop limit is below the socket's minimum",
    ),
    ("TcpExtTCPOFODrop", "out-of-order segments dropped because receive memory ran short"),
    ("TcpExtTCPOFOMerge", "out-of-order segments dropped because another one holds the same data"),
    ("TcpExtTCPOFOQueue", "segments received out of order and queued"),
    (
        "TcpExtTCPOrigDataSent",
        "segments sent with new data, data in a SYN included, retransmissions not",
    ),
    (
        "TcpExtTCPPLBRehash",
        "times congestion changed a flow hash to try another path (tcp_plb_enabled)",
    ),
    (
        "TcpExtTCPPartialUndo",
        "fast recoveries undone at a partial ACK because the data was late, not lost",
    ),
    (
        "TcpExtTCPPrequeueDropped",
        "segments taken off a full prequeue and processed at once (old kernels)",
    ),
    (
        "TcpExtTCPPrequeued",
        "segments queued for the waiting reader to process itself (old kernels)",
    ),
    ("TcpExtTCPPureAcks", "ACKs without data that took the slow path or acknowledged nothing new"),
    ("TcpExtTCPRcvCoalesce", "segments merged with one already in a receive queue"),
    (
        "TcpExtTCPRcvCollapsed",
        "buffers freed by compacting received data because receive memory ran short",
    ),
    ("TcpExtTCPRcvQDrop", "in-order segments dropped because receive memory ran short"),
    (
        "TcpExtTCPRenoFailures",
        "retransmission timeouts after duplicate ACKs too few for recovery (no SACK)",
    ),
    (
        "TcpExtTCPRenoRecovery",
        "fast recoveries begun after duplicate ACKs, on connections without SACK",
    ),
    (
        "TcpExtTCPRenoRecoveryFail",
        "retransmission timeouts in the middle of fast recovery, without SACK",
    ),
    (
        "TcpExtTCPRenoReorder",
        "times more duplicate ACKs than possible segments showed reordering (no SACK)",
    ),
    (
        "TcpExtTCPReqQFullDoCookies",
        "times a full SYN queue, or tcp_syncookies of 2, called for a SYN cookie",
    ),
    (
        "TcpExtTCPReqQFullDrop",
        "SYNs dropped because the SYN queue was full and SYN cookies are off",
    ),
    (
        "TcpExtTCPRetransFail",
        "segments whose retransmission failed on this host (memory, route or full queue)",
    ),
    (
        "TcpExtTCPSACKDiscard",
        "SACK blocks discarded because they do not lie within the data in flight",
    ),
    (
        "TcpExtTCPSACKReneging",
        "times a peer was found, at a timeout, to have dropped data it had SACKed",
    ),
    (
        "TcpExtTCPSACKReorder",
        "times reordering was detected because older data got through after newer (SACK)",
    ),
    (
        "TcpExtTCPSYNChallenge",
        "SYNs received in an existing connection, to be met by a challenge ACK",
    ),
    (
        "TcpExtTCPSackFailures",
        "retransmission timeouts after SACKs that did not lead to fast recovery",
    ),
    ("TcpExtTCPSackMerged", "sent buffers merged whole on a SACK into the SACKed one before it"),
    ("TcpExtTCPSackRecovery", "fast recoveries begun after a loss, on connections with SACK"),
    (
        "TcpExtTCPSackRecoveryFail",
        "retransmission timeouts in the middle of fast recovery, with SACK",
    ),
    (
        "TcpExtTCPSackShiftFallback",
        "sent buffers that could not be merged on a SACK with the one before it",
    ),
    (
        "TcpExtTCPSackShifted",
        "times part of a sent buffer was moved on a SACK into the SACKed one before it",
    ),
    (
        "TcpExtTCPSchedulerFailed",
        "times the delayed ACK timer found the prequeue still unread (old kernels)",
    ),
    (
        "TcpExtTCPSlowStartRetrans",
        "segments retransmitted in slow start after a retransmission timeout",
    ),
    ("TcpExtTCPSpuriousRTOs", "retransmission timeouts that F-RTO found to be needless"),
    (
        "TcpExtTCPSpuriousRtxHostQueues",
        "retransmissions put off because the packet still waits in a queue of this host",
    ),
    ("TcpExtTCPSynRetrans", "SYN and SYN-ACK segments retransmitted"),
    (
        "TcpExtTCPTSReorder",
        "times a partial ACK in recovery showed that the data was only reordered",
    ),
    (
        "TcpExtTCPTimeWaitOverflow",
        "connections closed without TIME-WAIT for tcp_max_tw_buckets or lack of memory",
    ),
    ("TcpExtTCPTimeouts", "retransmission timeouts, those of SYN and SYN-ACK included"),
    (
        "TcpExtTCPToZeroWindowAdv",
        "times the receive window offered fell to zero, mostly because the reader is slow",
    ),
    (
        "TcpExtTCPWantZeroWindowAdv",
        "times a zero window was wanted but the window offered before could not shrink",
    ),
    ("TcpExtTCPWinProbe", "probes sent to a peer that offers no receive window"),
    (
        "TcpExtTCPWqueueTooBig",
        "times a packet was not split because the send queue was far above its limit",
    ),
    ("TcpExtTCPZeroWindowDrop", "segments dropped because the receive window was zero"),
    (
        "TcpExtTSEcrRejected",
        "handshake ACKs dropped because they echo a timestamp no SYN-ACK of ours carried",
    ),
    (
        "TcpExtTW",
        "connections moved to TIME-WAIT, or to an orphaned FIN-WAIT-2, for over 4 seconds",
    ),
    (
        "TcpExtTWKilled",
        "connections moved to TIME-WAIT, or to an orphaned FIN-WAIT-2, for up to 4 seconds",
    ),
    (
        "TcpExtTWRecycled",
        "TIME-WAIT entries taken over by a new outgoing connection (tcp_tw_reuse)",
    ),
    (
        "TcpExtTcpDuplicateDataRehash",
        "times duplicate data changed an IPv6 flow hash to try another path",
    ),
    (
        "TcpExtTcpTimeoutRehash",
        "times a timeout changed the flow hash of a connection to try another path",
    ),
    ("TcpInCsumErrors", "segments received with a wrong TCP checksum (counted in InErrs too)"),
    (
        "TcpInErrs",
        "segments received in error: bad checksum, bad header length or SYN in a connection",
    ),
    ("TcpInSegs", "segments received, bad ones included, with those merged by GRO counted as one"),
    ("TcpMaxConn", "most TCP connections supported, always -1 (no fixed limit) on Linux"),
    ("TcpOutRsts", "RST segments this host sent or tried to send"),
    ("TcpOutSegs", "segments sent, pure ACKs and RSTs included, retransmitted data not"),
    (
        "TcpPassiveOpens",
        "incoming connections given a socket, normally by the last ACK of the handshake",
    ),
    ("TcpRetransSegs", "segments retransmitted, SYN and SYN-ACK included"),
    ("TcpRtoAlgorithm", "retransmission timer algorithm, always 1 (other) on Linux"),
    ("TcpRtoMax", "longest retransmission timeout in milliseconds, a constant of the kernel build"),
    (
        "TcpRtoMin",
        "shortest retransmission timeout in milliseconds, a constant of the kernel build",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The header lines of /proc/net/snmp and /proc/net/netstat of Linux 6.18.
    const SNMP: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/own-lab-6.18/proc/net/snmp");
    const NETSTAT: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/own-lab-6.18/proc/net/netstat");

    /// Fields of the group TcpExt that Linux 6.18 no longer has.
    const OLD: &str = "PAWSPassive TCPPrequeued TCPDirectCopyFromBacklog \
        TCPDirectCopyFromPrequeue TCPPrequeueDropped TCPHPHitsToUser TCPFACKReorder TCPLoss \
        TCPForwardRetrans TCPSchedulerFailed TCPAbortOnSyn";

    /// The fields of one group in a file of pairs of lines, the first of which has the names.
    fn fields(path: &str, group: &str) -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap();
        let start = format!("{group}: ");
        let header = text.lines().find_map(|line| line.strip_prefix(&start)).unwrap();
        header.split_ascii_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_table_is_sorted_without_duplicates() {
        for pair in MEANINGS.windows(2) {
            assert!(pair[0].0.as_bytes() < pair[1].0.as_bytes(), "{} {}", pair[0].0, pair[1].0);
        }
    }

    #[test]
    fn every_sentence_is_plain_and_short() {
        for (name, sentence) in MEANINGS {
            assert!(!sentence.is_empty(), "{name}");
            assert!(sentence.chars().count() <= 110, "{name}");
            assert!(!sentence.ends_with('.'), "{name}");
            assert!(sentence.trim() == sentence, "{name}");
            assert!(!sentence.contains(['"', '\\', '\t', '\n', '$', '`']), "{name}");
        }
    }

    #[test]
    fn every_field_of_the_kernel_has_a_sentence() {
        for (path, group, count) in
            [(SNMP, "Tcp", 15), (NETSTAT, "TcpExt", 135), (NETSTAT, "MPTcpExt", 76)]
        {
            let fields = fields(path, group);
            assert_eq!(fields.len(), count, "{group}");
            for field in fields {
                let name = format!("{group}{field}");
                assert!(meaning(name.as_bytes()).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn fields_of_older_kernels_have_a_sentence() {
        for field in OLD.split_ascii_whitespace() {
            let name = format!("TcpExt{field}");
            assert!(meaning(name.as_bytes()).is_some(), "{name}");
        }
    }

    #[test]
    fn every_entry_is_found_and_nothing_else() {
        for (name, sentence) in MEANINGS {
            assert_eq!(meaning(name.as_bytes()), Some(sentence));
        }
        for unknown in ["", "Tcp", "CurrEstab", "TcpCurrEstabs", "TcpExt", "~", "UdpInErrors"] {
            assert_eq!(meaning(unknown.as_bytes()), None, "{unknown}");
        }
        assert_eq!(meaning(b"\xff"), None);
    }

    #[test]
    fn levels_are_the_constants_and_the_connections_that_are_open() {
        let levels: Vec<&str> = MEANINGS
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| is_level(name.as_bytes()))
            .collect();
        assert_eq!(
            levels,
            [
                "MPTcpExtMPCurrEstab",
                "TcpCurrEstab",
                "TcpMaxConn",
                "TcpRtoAlgorithm",
                "TcpRtoMax",
                "TcpRtoMin"
            ]
        );
    }

    #[test]
    fn the_objects_are_the_kernel_s_fields_in_order() {
        let mut known = fields(SNMP, "Tcp");
        known.retain(|field| field != "InCsumErrors");
        assert_eq!(OBJECTS.map(|object| object.field.to_owned()).to_vec(), known);
        assert!(OBJECTS.windows(2).all(|pair| pair[0].number < pair[1].number));
    }

    #[test]
    fn an_object_that_can_fall_is_no_counter() {
        for object in OBJECTS {
            let level = is_level(format!("Tcp{}", object.field).as_bytes());
            assert_eq!(level, object.syntax != Syntax::Counter32, "{}", object.field);
        }
    }

    #[test]
    fn types_have_the_names_of_the_rfc() {
        let all = [Syntax::Integer, Syntax::Integer32, Syntax::Gauge32, Syntax::Counter32];
        assert_eq!(all.map(Syntax::name), ["INTEGER", "Integer32", "Gauge32", "Counter32"]);
    }
}
