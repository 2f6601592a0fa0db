import { Component, type ReactNode } from "react";
import { Mishap } from "../components/Mishap";

/** Shows what a page threw while it was loaded or drawn, instead of nothing at all. */
export class Caught extends Component<{ children: ReactNode }, { thrown: unknown }> {
  override state: { thrown: unknown } = { thrown: null };

  static getDerivedStateFromError(thrown: unknown) {
    return { thrown };
  }

  override render() {
    return this.state.thrown === null ? this.props.children : <Mishap />;
  }
}
