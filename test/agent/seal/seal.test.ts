import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { SealLoop, type SealOptions, type SealPoint } from '../../../agent/seal/seal-loop.ts'
import { openAgentStore } from '../../../drivers/store/agent-store.ts'
import { equalBytes, toHex } from '../../../proto/bytes.ts'
import { openBatch } from '../../../proto/envelope/open.ts'
import { gapReasonOf } from '../../../proto/reading.ts'
import { ANCHOR_REASON } from '../../../proto/wire/anchor.ts'
import { decodeSigned } from '../../../proto/wire/signed.ts'
import {
  countingRandom,
  deviceSecret,
  GATEWAY,
  gatewaySigner,
  handClock,
  QUIET,
  RATIO,
  readingOf,
  recipientKey,
  recipients,
  strangerSigner
} from '../support/parties.ts'

const SLOT_MS = 900_000
const FIRST = 1_900_000
const METERS = ['A', 'B', 'C']
/** the key after a rotation */
const newSigner = strangerSigner
const keyOf = (signed: Uint8Array): Uint8Array =>
  [gatewaySigner, newSigner].find(({ kid }) => equalBytes(kid, decodeSigned(signed).kid))?.publicKey ??
  gatewaySigner.publicKey

function setUp(t: { teardown(fn: () => void): void }) {
  const dir = mkdtempSync(join(tmpdir(), 'wattproof-seal-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const clock = handClock(FIRST * SLOT_MS + 1_000)
  const path = join(dir, 'store.sqlite')
  const random = countingRandom('seal')
  const state = { store: openAgentStore(path, { nowMs: clock.nowMs }) }
  const loopOf = (change: Partial<SealOptions> = {}): SealLoop =>
    new SealLoop({
      store: state.store,
      clock,
      log: QUIET,
      gateway: GATEWAY,
      slotSeconds: 900,
      suite: 1,
      roster: () => METERS.map(meter => ({ meter, ratio: RATIO })),
      recipients,
      signer: gatewaySigner,
      deviceSecret,
      random,
      ...change
    })
  const reopen = (from = path): void => {
    state.store.close()
    state.store = openAgentStore(from, { nowMs: clock.nowMs })
  }
  const story = (): string[] =>
    state.store.queryBatches({}).map(({ epoch, seq, batch, anchor }) => {
      const { readings, anchor: claim } = openBatch(batch, anchor, {
        recipientKey,
        gatewayKey: keyOf(anchor)
      })
      const leaves = readings.map(({ meter, slot, version, quality }) => {
        const reason = gapReasonOf(quality)
        return `${meter}${slot - FIRST}${version > 1 ? `v${version}` : ''}${reason === 'none' ? '' : `:${reason}`}`
      })
      const reason = Object.entries(ANCHOR_REASON).find(([, number]) => number === claim.reason)?.[0]
      return `${toHex(epoch).slice(0, 2)}/${seq} ${reason} ${leaves.join(' ')}`
    })
  return { dir, path, clock, state, loopOf, reopen, story }
}

t.test('every slot is sealed once, whole and in order', async t => {
  const { clock, state, loopOf, story, reopen } = setUp(t)
  let loop = loopOf()
  t.equal(loop.step(), false, 'the slot in progress')
  t.equal(state.store.getMeta('firstSlot'), String(FIRST))
  clock.pass(SLOT_MS)
  state.store.appendReadings('bus', [readingOf('B', FIRST), readingOf('A', FIRST)])
  t.equal(loop.step(), false, 'a meter is still to come')
  clock.believe(false)
  state.store.appendReadings('bus', [readingOf('C', FIRST)])
  t.equal(loop.step(), false, 'a time that is not believed is not signed')
  clock.believe(true)
  t.equal(loop.step(), true)
  t.equal(loop.step(), false, 'once')
  const epoch = toHex(state.store.head()?.epoch as Uint8Array).slice(0, 2)
  t.same(story(), [`${epoch}/0 provision A0 B0 C0`], 'roster order')

  clock.pass(SLOT_MS)
  state.store.appendReadings('bus', [readingOf('A', FIRST + 1), readingOf('X', FIRST + 1)])
  state.store.set('sweptSlot', String(FIRST + 1))
  t.equal(loop.step(), true, 'the sweep is over')
  clock.pass(SLOT_MS)
  state.store.appendReadings('bus', [readingOf('B', FIRST + 2)])
  t.equal(loop.step(), true, 'late versions and meters that left the roster')
  state.store.appendReadings('bus', [readingOf('B', FIRST + 1, 2), readingOf('C', FIRST + 1, 2)])
  t.equal(loop.step(), false, 'a supplementary batch a slot is enough')
  clock.pass(SLOT_MS)
  t.equal(loop.step(), true, 'past the deadline')
  t.equal(loop.step(), true)
  t.equal(loop.step(), false)

  clock.pass(2 * SLOT_MS)
  reopen()
  loop = loopOf()
  state.store.appendReadings('bus', [readingOf('C', FIRST + 5), readingOf('C', FIRST + 5, 2)])
  while (loop.step());
  t.same(story(), [
    `${epoch}/0 provision A0 B0 C0`,
    `${epoch}/1 slot A1 B1:noTime C1:noTime`,
    `${epoch}/2 supplementary X1`,
    `${epoch}/3 slot A2:noTime B2 C2:noTime`,
    `${epoch}/4 supplementary B1v2 C1v2`,
    `${epoch}/5 slot A3:agentDown B3:agentDown C3:agentDown`,
    `${epoch}/6 slot A4:agentDown B4:agentDown C4:agentDown`,
    `${epoch}/7 slot A5:agentDown B5:agentDown C5 C5v2`
  ])
  t.equal(state.store.unsealed(0, FIRST + 9).length, 0)
  t.equal(state.store.findLeaf('C', FIRST + 5)?.index, 3)

  clock.pass(500 * 86_400_000)
  t.equal(loop.step(), false, 'a clock that leaps a year ahead is not followed')
  state.store.close()
})

t.test('a kill at any point seals nothing twice', async t => {
  const { clock, state, loopOf, story, reopen } = setUp(t)
  loopOf().step()
  clock.pass(3 * SLOT_MS)
  for (const point of ['completed', 'sealed', 'committed'] as SealPoint[]) {
    const loop = loopOf({
      hit: at => {
        if (at === point) throw new Error('killed')
      }
    })
    t.throws(() => loop.step(), { message: 'killed' }, point)
    reopen()
  }
  const loop = loopOf()
  while (loop.step());
  const epoch = toHex(state.store.head()?.epoch as Uint8Array).slice(0, 2)
  t.same(
    story().map(line => line.slice(0, 18)),
    [`${epoch}/0 provision A0:`, `${epoch}/1 slot A1:agent`, `${epoch}/2 slot A2:agent`]
  )
  state.store.close()
})

t.test('a lost state opens one new epoch that names the last acknowledged anchor', async t => {
  const { dir, clock, state, loopOf, story, reopen } = setUp(t)
  loopOf().step()
  for (let i = 0; i < 3; i++) {
    clock.pass(SLOT_MS)
    t.equal(loopOf().step(), true)
  }
  const old = state.store.head()?.epoch as Uint8Array
  state.store.acknowledge(old, 1, Uint8Array.of(1))
  const acknowledged = state.store.batch(old, 1)
  const copy = await state.store.backup(dir)
  clock.pass(SLOT_MS)
  t.equal(loopOf().step(), true, 'the original goes on')
  const restored = join(dir, 'restored.sqlite')
  copyFileSync(copy, restored)
  reopen(restored)
  state.store.appendReadings('bus', [readingOf('A', FIRST, 2)])
  clock.pass(SLOT_MS)
  const killed = loopOf({
    hit: at => {
      if (at === 'sealed') throw new Error('killed')
    }
  })
  t.throws(() => killed.step(), { message: 'killed' })
  reopen(restored)
  const loop = loopOf()
  while (loop.step());
  clock.pass(SLOT_MS)
  reopen(restored)
  const again = loopOf()
  while (again.step());
  const told = story()
  const epochs = new Set(told.map(line => line.slice(0, 2)))
  t.equal(epochs.size, 2)
  t.same(
    told.map(line => line.slice(3).split(':')[0]),
    [
      '0 provision A0',
      '1 slot A1',
      '2 slot A2',
      '0 restore A3',
      '1 slot A4',
      '2 supplementary A0v2',
      '3 slot A5'
    ]
  )
  const opening = state.store.queryBatches({ fromSlot: FIRST + 3, toSlot: FIRST + 3 })[0]
  t.same(opening?.prev, acknowledged?.anchorHash)
  state.store.close()
})

t.test(
  'another key opens an epoch that names the last anchor sealed, whatever is still on its way',
  async t => {
    const { clock, state, loopOf, story, reopen } = setUp(t)
    const rotated = (change: Partial<SealOptions> = {}) => loopOf({ signer: newSigner, ...change })
    loopOf().step()
    for (let i = 0; i < 3; i++) {
      clock.pass(SLOT_MS)
      t.equal(loopOf().step(), true)
    }
    const old = state.store.head()
    state.store.acknowledge(old?.epoch as Uint8Array, 0, Uint8Array.of(1))
    const kept = state.store.queryBatches({}).map(({ anchor, batch }) => [toHex(anchor), toHex(batch)])
    state.store.appendReadings('bus', [readingOf('A', FIRST, 2)])
    t.equal(rotated().step(), false, 'an epoch begins with a slot, not with late readings')
    clock.pass(SLOT_MS)
    for (const point of ['completed', 'sealed'] as SealPoint[]) {
      const killed = rotated({
        hit: at => {
          if (at === point) throw new Error('killed')
        }
      })
      t.throws(() => killed.step(), { message: 'killed' }, point)
      reopen()
    }
    const loop = rotated()
    while (loop.step());
    t.equal(state.store.lastSealedSlot(), FIRST + 3, 'its slot is sealed')
    reopen()
    clock.pass(SLOT_MS)
    const again = rotated()
    while (again.step());
    t.same(
      story().map(line => line.slice(3).split(':')[0]),
      ['0 provision A0', '1 slot A1', '2 slot A2', '0 keyRotation A3', '1 supplementary A0v2', '2 slot A4']
    )
    const all = state.store.queryBatches({})
    t.same(all[3]?.prev, old?.anchorHash, 'nothing was left out between the epochs')
    t.same(
      all.slice(0, 3).map(({ anchor, batch }) => [toHex(anchor), toHex(batch)]),
      kept,
      'what was signed before is sent as it was'
    )
    t.same(
      all.map(({ anchor }) => toHex(keyOf(anchor)) === toHex(newSigner.publicKey)),
      [false, false, false, true, true, true],
      'one key an epoch'
    )
    t.equal(new Set(all.map(({ epoch, seq }) => `${toHex(epoch)}/${seq}`)).size, all.length)

    clock.pass(SLOT_MS)
    reopen()
    t.equal(loopOf().step(), true, 'back to a key that had an epoch')
    t.equal(
      new Set(state.store.queryBatches({}).map(({ epoch }) => toHex(epoch))).size,
      3,
      'yet another epoch'
    )
    state.store.close()
  }
)

t.test('other work goes on while a batch is sealed, and what an abort cuts off leaves no trace', async t => {
  const { clock, state, loopOf } = setUp(t)
  loopOf().step()
  clock.pass(SLOT_MS)
  const cut = new AbortController()
  await loopOf({ hit: () => cut.abort() }).run(cut.signal)
  t.equal(state.store.head(), undefined, 'aborted between the gaps and the seal')

  const stop = new AbortController()
  let turns = 0
  const countTurns = (): void => {
    turns++
    if (!stop.signal.aborted) setImmediate(countTurns)
  }
  countTurns()
  const at = new Map<SealPoint, number>()
  await loopOf({ hit: point => at.set(point, turns), onSealed: () => stop.abort() }).run(stop.signal)
  t.ok((at.get('sealed') ?? 0) - (at.get('completed') ?? 0) >= 5, 'the event loop turned in between')
  t.equal(state.store.head()?.seq, 0)
  state.store.close()
})

t.test('the loop survives a full disk and ends with its signal', async t => {
  const { clock, state, loopOf } = setUp(t)
  const stop = new AbortController()
  let failures = 0
  let sealed = 0
  const loop = loopOf({
    store: {
      ...state.store,
      commitBatch(batch) {
        if (failures++ < 2) throw Object.assign(new Error('full'), { code: 'STORE_FULL' })
        state.store.commitBatch(batch)
      }
    },
    onSealed: () => {
      sealed++
      if (sealed === 2) stop.abort()
    }
  })
  loop.step()
  clock.pass(SLOT_MS)
  await t.rejects(loop.run(stop.signal), { message: 'full' }, 'an error that is not ours is a defect')
  const { StoreError } = await import('../../../drivers/store/errors.ts')
  failures = 0
  const healing = loopOf({
    store: {
      ...state.store,
      commitBatch(batch) {
        if (failures++ < 2) throw new StoreError('STORE_FULL', 'full')
        state.store.commitBatch(batch)
      }
    },
    onSealed: () => {
      sealed++
      if (sealed === 2) stop.abort()
    }
  })
  await healing.run(stop.signal)
  t.equal(sealed, 2)
  state.store.close()
})
