import { Alert } from "@mantine/core";
import { sentence } from "../api/problem";
import { useTexts } from "../app/language";
import { Icon } from "./Icon";

/** What a call was refused for, as a sentence; nothing where nothing was. */
export function Refused({ problem }: { problem: unknown }) {
  const texts = useTexts();
  if (problem === null || problem === undefined) return null;
  return (
    <Alert color="red" variant="light" icon={<Icon name="warning" />} role="alert">
      {sentence(problem, texts)}
    </Alert>
  );
}

/** That something was done. */
export function Done({ children }: { children: string }) {
  return (
    <Alert color="pine" variant="light" icon={<Icon name="check" />} role="status">
      {children}
    </Alert>
  );
}
