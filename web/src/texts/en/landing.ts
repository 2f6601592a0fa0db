export const landing = {
  title: "Vocals and instrumental of any song",
  headline: "Take the voice out of a song. Or keep only the voice.",
  lead: "Stemwright parts a recording into its vocals and everything else: for karaoke, remixes, practice and DJ sets.",
  start: "Create an account",
  player: "A song to try",
  play: "Play",
  pause: "Pause",
  hear: "What you hear",
  parts: { mixture: "Song", vocals: "Vocals", instrumental: "Instrumental" },
  sample: "“Hydrogen”, free of rights (CC0), taken apart by Stemwright.",
  silent: "The song could not be loaded. Try again in a moment.",
  facts: [
    {
      title: "Nothing is lost",
      text: "The two stems sum to your song, to the last sample, at its own rate and length. Every result carries the measurement.",
    },
    {
      title: "Try it before you pay",
      text: "Previews are free. You see what a full separation costs before anything is charged.",
    },
    {
      title: "Your song stays yours",
      text: "Songs and stems can be deleted at any time, and an account with all it has by one button.",
    },
  ],
  developers: "There is an API for everything on these pages.",
  developersLink: "Read its documentation",
};
