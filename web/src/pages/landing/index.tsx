import { Anchor, Button, Group, Text, Title } from "@mantine/core";
import { Link } from "wouter";
import { useUser } from "../../api/session";
import { useTexts } from "../../app/language";
import { HOME } from "../../app/pages";
import classes from "./landing.module.css";
import { Player } from "./Player";

export default function Landing() {
  const { landing: texts, signIn, newSeparation } = useTexts();
  const user = useUser();
  return (
    <>
      <div className={classes.hero}>
        <div className={classes.words}>
          <Title order={1}>{texts.headline}</Title>
          <p className={classes.lead}>{texts.lead}</p>
          <Group>
            {user ? (
              <Button component={Link} href={HOME} size="lg">
                {newSeparation.title}
              </Button>
            ) : (
              <>
                <Button component={Link} href="/sign-up" size="lg">
                  {texts.start}
                </Button>
                <Button component={Link} href="/sign-in" size="lg" variant="default">
                  {signIn.title}
                </Button>
              </>
            )}
          </Group>
        </div>
        <Player />
      </div>
      <div className={classes.facts}>
        {texts.facts.map((fact) => (
          <section key={fact.title}>
            <Title order={2}>{fact.title}</Title>
            <p>{fact.text}</p>
          </section>
        ))}
      </div>
      <Text c="dimmed">
        {texts.developers} <Anchor href="/docs">{texts.developersLink}</Anchor>
      </Text>
    </>
  );
}
