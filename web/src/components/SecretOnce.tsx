import { Alert, Button, Code, CopyButton, Group } from "@mantine/core";
import classes from "./SecretOnce.module.css";

interface Props {
  title: string;
  secret: string;
  texts: { label: string; copy: string; copied: string };
}

/** A secret that is never shown again, to be copied. */
export function SecretOnce({ title, secret, texts }: Props) {
  return (
    <Alert color="pine" variant="light" title={title} role="status">
      <Group>
        <Code className={classes.secret} dir="ltr">
          {secret}
        </Code>
        <CopyButton value={secret}>
          {({ copied, copy }) => (
            <Button size="compact-md" variant="default" onClick={copy} aria-label={texts.label}>
              {copied ? texts.copied : texts.copy}
            </Button>
          )}
        </CopyButton>
      </Group>
    </Alert>
  );
}
