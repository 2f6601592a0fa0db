// Runs in a page before its own scripts: hears what the mixer plays, through its audio graph.
//
// One processor gets every track as it leaves its sources, and what goes to the loudspeaker, in channels of the same
// clock. `window.listening` has sums over what was heard since `reset()`, and when the last silence ended.
(() => {
  // Whoever measures when sound comes sets `listeningFrames` to a few: blocks are heard once they are full.
  const BLOCK = window.listeningFrames ?? 4096;
  let silent = true;
  const decoded = [];
  const connect = AudioNode.prototype.connect;
  const inputs = new Map();
  let merger = null;

  const listening = {
    reset() {
      Object.assign(listening, {
        // How many frames had music, and sums of squares over them.
        frames: 0,
        output: 0,
        mix: 0,
        tracks: [0, 0, 0],
        outputMinusTrack: [0, 0, 0],
        outputMinusMix: 0,
        residual: 0,
        residualOneSampleLate: 0,
      });
    },
  };
  listening.reset();
  // When something was last done by hand, and when sound last came after silence: milliseconds of the page's clock.
  Object.assign(listening, { touchedAt: 0, soundedAt: 0 });
  for (const kind of ["pointerdown", "keydown"])
    document.addEventListener(kind, () => (listening.touchedAt = performance.now()), { capture: true });
  // Of what was decoded and has not been collected.
  listening.audioBytes = () =>
    decoded.reduce((sum, one) => {
      const audio = one.deref();
      return sum + (audio === undefined ? 0 : audio.length * audio.numberOfChannels * 4);
    }, 0);
  listening.decodedBytes = 0;
  const decode = BaseAudioContext.prototype.decodeAudioData;
  BaseAudioContext.prototype.decodeAudioData = async function (encoded) {
    const audio = await decode.call(this, encoded);
    decoded.push(new WeakRef(audio));
    listening.decodedBytes += audio.length * audio.numberOfChannels * 4;
    return audio;
  };
  window.listening = listening;

  // Channel 0 is the original, then the stems, as the API names them; the last is what is heard.
  function hear(event) {
    const [original, first, second, out] = [0, 1, 2, 3].map((channel) => event.inputBuffer.getChannelData(channel));
    const wasSilent = silent;
    silent = out.every((sample) => sample === 0);
    if (wasSilent && !silent) listening.soundedAt = performance.now();
    for (let i = 1; i < BLOCK; i++) {
      if (original[i] === 0 && first[i] === 0 && second[i] === 0) continue;
      const mix = first[i] + second[i];
      listening.frames += 1;
      listening.mix += mix * mix;
      listening.output += out[i] * out[i];
      listening.outputMinusMix += (out[i] - mix) ** 2;
      listening.residual += (original[i] - mix) ** 2;
      listening.residualOneSampleLate += (original[i] - first[i - 1] - second[i]) ** 2;
      [original, first, second].forEach((track, t) => {
        listening.tracks[t] += track[i] * track[i];
        listening.outputMinusTrack[t] += (out[i] - track[i]) ** 2;
      });
    }
  }

  function listen(node, channel, output = 0) {
    if (merger === null) {
      const { context } = node;
      merger = context.createChannelMerger(4);
      const processor = context.createScriptProcessor(BLOCK, 4, 1);
      processor.onaudioprocess = hear;
      connect.call(merger, processor);
      connect.call(processor, context.destination);
      // What nothing refers to is collected.
      window.listeningNodes = [merger, processor];
    }
    connect.call(node, merger, output, channel);
  }

  AudioNode.prototype.connect = function (to, ...rest) {
    // The samples as they are, or stretched: a source for each piece, or an output of one worklet for each track.
    const played = this instanceof AudioBufferSourceNode || this instanceof AudioWorkletNode;
    if (played && this.context instanceof AudioContext && to instanceof AudioNode) {
      if (!inputs.has(to)) inputs.set(to, inputs.size);
      listen(this, inputs.get(to), rest[0]);
    }
    if (to instanceof AudioDestinationNode && this.context instanceof AudioContext) listen(this, 3);
    return connect.call(this, to, ...rest);
  };
})();
