// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.11;

/**
 * The registry of gateways and the public record of their anchors.
 *
 * Hashes stored here are made off chain by the suite of the batch (SHA-256 or SM3); the contract only compares them.
 * Whatever it hashes itself and others must reproduce uses SHA-256: on a FISCO BCOS guomi chain the KECCAK256 opcode is SM3.
 * Contract time is never used, and slot order is not enforced: supplementary batches carry late versions of old slots.
 * Every change of state is an event, so that an auditor rebuilds everything from the logs alone.
 */
contract MeterAnchor {
    uint64 public constant VERSION = 1;

    // ---------------------------------------------------------------- roles

    uint256 public constant ADMIN = 1; // gives roles, sets the first council
    uint256 public constant REGISTRAR = 2; // the utility: admits gateways, suspends and retires them
    uint256 public constant AGGREGATOR = 4; // anchors for many gateways, having checked their signatures off chain
    uint256 public constant REGULATOR = 8; // files alarms; reading needs no role, all state is public

    enum Status {
        None,
        Active,
        Suspended,
        Retired
    }

    // What became of an anchor that was offered.
    uint8 public constant ACCEPTED = 0;
    uint8 public constant REPEATED = 1; // the same content is there already: success, nothing changes
    uint8 public constant CONFLICT = 2; // other content under the number of the head: state untouched, evidence emitted
    uint8 public constant STALE = 3; // a number below the head, whose hash is in the logs only: state untouched, offer emitted
    uint8 public constant NOT_ACTIVE = 4;
    uint8 public constant EPOCH_UNKNOWN = 5;
    uint8 public constant EPOCH_CLOSED = 6;
    uint8 public constant SEQ_GAP = 7;
    uint8 public constant PREV_MISMATCH = 8;

    struct Anchor {
        bytes32 gateway; // sha256 of the gateway's id in UTF-8
        bytes8 epoch;
        uint64 seq;
        uint64 slotFrom;
        uint64 slotTo;
        uint32 count; // leaves under root
        bytes32 root;
        bytes32 prev; // anchorHash of the anchor before
        bytes32 anchorHash; // hash of the anchor the gateway signed; becomes the head
    }

    struct Gateway {
        address signer;
        Status status;
        bytes8 epoch; // the one epoch that takes new anchors
    }

    struct Epoch {
        bytes32 head;
        uint64 next; // sequence number expected next
        uint64 slotTo;
        bool opened;
    }

    struct Aggregate {
        bytes32 head;
        uint64 next;
    }

    struct Proposal {
        uint32 round;
        uint32 votes;
    }

    mapping(address => uint256) public roles;
    mapping(address => Aggregate) public aggregates;
    mapping(bytes32 => Gateway) private registry;
    mapping(bytes32 => mapping(bytes8 => Epoch)) private epochs;
    address[] private council;
    mapping(address => bool) private onCouncil;
    mapping(bytes32 => Proposal) private proposals;
    mapping(bytes32 => mapping(uint32 => mapping(address => bool))) private voted;
    uint64 private councilTerm;

    event RoleSet(address indexed account, uint256 roles, address by);
    event CouncilSet(uint64 indexed term, address[] members, address by);
    event Voted(bytes32 indexed proposal, address indexed voter, uint32 votes, uint32 needed);
    event GatewaySet(bytes32 indexed gateway, address indexed signer, Status status, address by);
    event EpochOpened(
        bytes32 indexed gateway,
        bytes8 indexed epoch,
        uint8 indexed reason,
        uint64 firstSeq,
        bytes32 lastKnown,
        bytes8 closedEpoch,
        uint64 closedNext,
        bytes32 closedHead
    );
    event Anchored(
        bytes32 indexed gateway,
        bytes8 indexed epoch,
        uint64 indexed seq,
        uint64 slotFrom,
        uint64 slotTo,
        uint32 count,
        bytes32 root,
        bytes32 prev,
        bytes32 anchorHash,
        address by
    );
    event AnchorConflict(
        bytes32 indexed gateway,
        bytes8 indexed epoch,
        uint64 indexed seq,
        bytes32 stored,
        bytes32 offered,
        address by
    );
    event AnchorStale(
        bytes32 indexed gateway,
        bytes8 indexed epoch,
        uint64 indexed seq,
        bytes32 offered,
        uint64 next,
        address by
    );
    event AnchorRefused(
        bytes32 indexed gateway,
        bytes8 indexed epoch,
        uint64 indexed seq,
        uint8 outcome,
        bytes32 offered,
        uint64 next,
        bytes32 head
    );
    event Aggregated(
        address indexed aggregator,
        uint64 indexed seq,
        bytes32 indexed root,
        uint64 slotTo,
        uint32 count,
        bytes32 prev,
        bytes32 manifest,
        bytes32 head
    );
    event AggregateConflict(address indexed aggregator, uint64 indexed seq, bytes32 stored, bytes32 offered);
    event AlarmFiled(bytes32 indexed gateway, bytes32 indexed code, uint64 raised, bytes32 evidence, address by);

    error NotAllowed(uint256 role);
    error NotOnCouncil();
    error AlreadyVoted();
    error BadArgument();
    error NotSigner(address signer);
    error NotActive(bytes32 gateway, Status status);
    error EpochUnknown(bytes8 current, uint64 next, bytes32 head);
    error EpochClosed(bytes8 current, uint64 next, bytes32 head);
    error SeqGap(uint64 offered, uint64 next, bytes32 head);
    error PrevMismatch(bytes32 offered, uint64 next, bytes32 head);

    constructor() {
        roles[msg.sender] = ADMIN | REGISTRAR;
        emit RoleSet(msg.sender, ADMIN | REGISTRAR, msg.sender);
    }

    function requireRole(uint256 role) private view {
        if (roles[msg.sender] & role == 0) revert NotAllowed(role);
    }

    // ---------------------------------------------------------------- registry

    /// Gives an account exactly these roles. An administrator cannot drop its own right, so one always remains.
    function setRole(address account, uint256 newRoles) external {
        requireRole(ADMIN);
        if (newRoles > 15 || (account == msg.sender && newRoles & ADMIN == 0)) revert BadArgument();
        roles[account] = newRoles;
        emit RoleSet(account, newRoles, msg.sender);
    }

    /// Admits a gateway, or gives an admitted one another signer (its chain of anchors goes on).
    /// The registrar decides alone where there is no council; else every call is one member's vote and 3/4 of them decide.
    function admit(bytes32 gateway, address signer) external returns (bool done) {
        if (signer == address(0) || registry[gateway].status == Status.Retired) revert BadArgument();
        if (council.length == 0) requireRole(REGISTRAR);
        else if (!vote(sha256(abi.encode("admit", councilTerm, gateway, signer)))) return false;
        registry[gateway].signer = signer;
        registry[gateway].status = Status.Active;
        emit GatewaySet(gateway, signer, Status.Active, msg.sender);
        return true;
    }

    /// Suspends, reactivates or retires an admitted gateway. Retired is for ever.
    function setStatus(bytes32 gateway, Status status) external {
        requireRole(REGISTRAR);
        Gateway storage g = registry[gateway];
        if (g.status == Status.None || g.status == Status.Retired || status == Status.None) revert BadArgument();
        g.status = status;
        emit GatewaySet(gateway, g.signer, status, msg.sender);
    }

    /// Sets the council: the administrator the first one, the council itself (by 3/4 of its votes) every later one.
    function setCouncil(address[] calldata members) external returns (bool done) {
        if (members.length > 64) revert BadArgument();
        if (council.length == 0) requireRole(ADMIN);
        else if (!vote(sha256(abi.encode("council", councilTerm, members)))) return false;
        for (uint256 i = 0; i < council.length; i++) onCouncil[council[i]] = false;
        for (uint256 i = 0; i < members.length; i++) {
            if (members[i] == address(0) || onCouncil[members[i]]) revert BadArgument();
            onCouncil[members[i]] = true;
        }
        council = members;
        councilTerm += 1;
        emit CouncilSet(councilTerm, members, msg.sender);
        return true;
    }

    function vote(bytes32 proposal) private returns (bool) {
        if (!onCouncil[msg.sender]) revert NotOnCouncil();
        Proposal storage p = proposals[proposal];
        if (voted[proposal][p.round][msg.sender]) revert AlreadyVoted();
        voted[proposal][p.round][msg.sender] = true;
        p.votes += 1;
        uint32 needed = uint32((council.length * 3 + 3) / 4);
        emit Voted(proposal, msg.sender, p.votes, needed);
        if (p.votes < needed) return false;
        p.votes = 0;
        p.round += 1;
        return true;
    }

    // ---------------------------------------------------------------- reading

    /// The registry entry and the head of its current epoch, in one call: what a sender reads after any doubt.
    function gateways(bytes32 gateway)
        external
        view
        returns (address signer, Status status, bytes8 epoch, uint64 next, bytes32 head, uint64 slotTo)
    {
        Gateway storage g = registry[gateway];
        Epoch storage e = epochs[gateway][g.epoch];
        return (g.signer, g.status, g.epoch, e.next, e.head, e.slotTo);
    }

    /// The head of any epoch, closed ones too.
    function epochOf(bytes32 gateway, bytes8 epoch)
        external
        view
        returns (bool opened, uint64 next, bytes32 head, uint64 slotTo)
    {
        Epoch storage e = epochs[gateway][epoch];
        return (e.opened, e.next, e.head, e.slotTo);
    }

    function councilMembers() external view returns (uint64 term, address[] memory members) {
        return (councilTerm, council);
    }

    // ---------------------------------------------------------------- anchoring

    /// Records one anchor of the calling gateway. Succeeds on a repeat, and on a conflict (whose evidence a revert would erase).
    function anchor(Anchor calldata a) external returns (uint8 outcome) {
        requireSigner(a.gateway);
        return placeOrRevert(a);
    }

    /// Records a backlog of the calling gateway's own anchors, all or none.
    function anchorBacklog(Anchor[] calldata anchors) external returns (uint8[] memory outcomes) {
        outcomes = new uint8[](anchors.length);
        for (uint256 i = 0; i < anchors.length; i++) {
            requireSigner(anchors[i].gateway);
            outcomes[i] = placeOrRevert(anchors[i]);
        }
    }

    /// Records anchors of many gateways in one transaction. One that does not fit is reported, and the others stand.
    function anchorMany(Anchor[] calldata anchors) external returns (uint8[] memory outcomes) {
        requireRole(AGGREGATOR);
        outcomes = new uint8[](anchors.length);
        for (uint256 i = 0; i < anchors.length; i++) {
            uint8 outcome = place(anchors[i]);
            outcomes[i] = outcome;
            if (outcome >= NOT_ACTIVE) emitRefused(anchors[i], outcome);
        }
    }

    /// Opens a new epoch after provisioning, restore or loss of state, naming the last hash the gateway knows.
    /// The epoch before is closed for ever. firstSeq is above 0 only where anchoring moves to another contract.
    function openEpoch(bytes32 gateway, bytes8 epoch, uint64 firstSeq, bytes32 lastKnown, uint8 reason)
        external
        returns (uint8 outcome)
    {
        requireSigner(gateway);
        return open(gateway, epoch, firstSeq, lastKnown, reason);
    }

    /// Opens the anchor's epoch where it is not open yet, and records the anchor, in one transaction.
    function openAndAnchor(Anchor calldata a, uint8 reason) external returns (uint8 outcome) {
        requireSigner(a.gateway);
        if (!epochs[a.gateway][a.epoch].opened) open(a.gateway, a.epoch, a.seq, a.prev, reason);
        return placeOrRevert(a);
    }

    function requireSigner(bytes32 gateway) private view {
        address signer = registry[gateway].signer;
        if (signer != msg.sender) revert NotSigner(signer);
    }

    function open(bytes32 gateway, bytes8 epoch, uint64 firstSeq, bytes32 lastKnown, uint8 reason)
        private
        returns (uint8)
    {
        Gateway storage g = registry[gateway];
        if (g.status != Status.Active) revert NotActive(gateway, g.status);
        if (epoch == 0) revert BadArgument();
        Epoch storage closed = epochs[gateway][g.epoch];
        Epoch storage e = epochs[gateway][epoch];
        if (e.opened) {
            if (g.epoch == epoch) return REPEATED;
            revert EpochClosed(g.epoch, closed.next, closed.head);
        }
        emit EpochOpened(gateway, epoch, reason, firstSeq, lastKnown, g.epoch, closed.next, closed.head);
        e.opened = true;
        e.next = firstSeq;
        e.head = lastKnown;
        g.epoch = epoch;
        return ACCEPTED;
    }

    function place(Anchor calldata a) private returns (uint8) {
        Gateway storage g = registry[a.gateway];
        if (g.status != Status.Active) return NOT_ACTIVE;
        Epoch storage e = epochs[a.gateway][a.epoch];
        if (!e.opened) return EPOCH_UNKNOWN;
        uint64 next = e.next;
        if (a.seq < next) {
            if (a.seq + 1 < next) {
                emit AnchorStale(a.gateway, a.epoch, a.seq, a.anchorHash, next, msg.sender);
                return STALE;
            }
            if (e.head == a.anchorHash) return REPEATED;
            emit AnchorConflict(a.gateway, a.epoch, a.seq, e.head, a.anchorHash, msg.sender);
            return CONFLICT;
        }
        if (g.epoch != a.epoch) return EPOCH_CLOSED;
        if (a.seq > next) return SEQ_GAP;
        if (e.head != a.prev) return PREV_MISMATCH;
        e.head = a.anchorHash;
        e.next = next + 1;
        e.slotTo = a.slotTo;
        emitAnchored(a);
        return ACCEPTED;
    }

    function placeOrRevert(Anchor calldata a) private returns (uint8 outcome) {
        outcome = place(a);
        if (outcome < NOT_ACTIVE) return outcome;
        Gateway storage g = registry[a.gateway];
        Epoch storage e = epochs[a.gateway][g.epoch];
        if (outcome == NOT_ACTIVE) revert NotActive(a.gateway, g.status);
        if (outcome == EPOCH_UNKNOWN) revert EpochUnknown(g.epoch, e.next, e.head);
        if (outcome == EPOCH_CLOSED) revert EpochClosed(g.epoch, e.next, e.head);
        if (outcome == SEQ_GAP) revert SeqGap(a.seq, e.next, e.head);
        revert PrevMismatch(a.prev, e.next, e.head);
    }

    // Emitted from functions of their own: ten arguments and the locals of place() are too deep for the stack.
    function emitAnchored(Anchor calldata a) private {
        emit Anchored(
            a.gateway, a.epoch, a.seq, a.slotFrom, a.slotTo, a.count, a.root, a.prev, a.anchorHash, msg.sender
        );
    }

    function emitRefused(Anchor calldata a, uint8 outcome) private {
        Epoch storage e = epochs[a.gateway][registry[a.gateway].epoch];
        emit AnchorRefused(a.gateway, a.epoch, a.seq, outcome, a.anchorHash, e.next, e.head);
    }

    /// Records one root over the anchors of many gateways (leaf = sha256(0x00 || signed anchor)), at constant cost.
    /// manifest is the hash of the full ordered list, which the aggregator keeps and hands out.
    /// The head chains aggregator, seq, slotTo, count, root, prev and manifest by SHA-256 of their packed big-endian form.
    function aggregate(uint64 seq, uint64 slotTo, uint32 count, bytes32 root, bytes32 prev, bytes32 manifest)
        external
        returns (uint8 outcome)
    {
        requireRole(AGGREGATOR);
        Aggregate storage g = aggregates[msg.sender];
        bytes32 head = sha256(abi.encodePacked(msg.sender, seq, slotTo, count, root, prev, manifest));
        if (seq < g.next) {
            if (seq + 1 == g.next && g.head == head) return REPEATED;
            emit AggregateConflict(msg.sender, seq, g.head, head);
            return seq + 1 == g.next ? CONFLICT : STALE;
        }
        if (seq > g.next) revert SeqGap(seq, g.next, g.head);
        if (prev != g.head) revert PrevMismatch(prev, g.next, g.head);
        g.head = head;
        g.next = seq + 1;
        emit Aggregated(msg.sender, seq, root, slotTo, count, prev, manifest, head);
        return ACCEPTED;
    }

    /// Files an alarm as an event: by the gateway's own signer or by a regulator.
    function fileAlarm(bytes32 gateway, bytes32 code, uint64 raised, bytes32 evidence) external {
        if (registry[gateway].signer != msg.sender && roles[msg.sender] & REGULATOR == 0) {
            revert NotAllowed(REGULATOR);
        }
        emit AlarmFiled(gateway, code, raised, evidence, msg.sender);
    }

    // ---------------------------------------------------------------- proofs

    /// True when entry (salt16 || reading) is leaf `index` of the `size` leaves under root: RFC 9162 2.1.1 and 2.1.3.2.
    function verifyLeaf(bytes32 root, bytes calldata entry, uint64 index, uint64 size, bytes32[] calldata path)
        external
        pure
        returns (bool)
    {
        return verifyInclusion(root, sha256(abi.encodePacked(bytes1(0x00), entry)), index, size, path);
    }

    /// As verifyLeaf, for the hash of a leaf.
    function verifyInclusion(bytes32 root, bytes32 leafHash, uint64 index, uint64 size, bytes32[] calldata path)
        public
        pure
        returns (bool)
    {
        if (index >= size) return false;
        uint64 fn = index;
        uint64 sn = size - 1;
        bytes32 r = leafHash;
        for (uint256 i = 0; i < path.length; i++) {
            if (sn == 0) return false;
            if (fn & 1 == 1 || fn == sn) {
                r = sha256(abi.encodePacked(bytes1(0x01), path[i], r));
                while (fn & 1 == 0 && fn != 0) {
                    fn >>= 1;
                    sn >>= 1;
                }
            } else {
                r = sha256(abi.encodePacked(bytes1(0x01), r, path[i]));
            }
            fn >>= 1;
            sn >>= 1;
        }
        return sn == 0 && r == root;
    }
}
