import type { Texts } from "../en";
import { account, erasure } from "./account";
import { administration, common } from "./common";
import { credits, payment } from "./credits";
import { developers } from "./developers";
import { landing } from "./landing";
import { newSeparation } from "./newSeparation";
import { problems } from "./problems";
import { feedback, mixer, musical, results, separation } from "./separation";
import { separations } from "./separations";
import { share } from "./share";
import { reset, signIn, signUp, verify } from "./signing";
import { webhooks } from "./webhooks";

export const fa: Texts = {
  common,
  problems,
  landing,
  signIn,
  signUp,
  verify,
  reset,
  account,
  erasure,
  credits,
  payment,
  separation,
  musical,
  mixer,
  results,
  feedback,
  newSeparation,
  separations,
  share,
  administration,
  developers,
  webhooks,
};
