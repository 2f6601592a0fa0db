import { Button } from "@mantine/core";
import { Link } from "wouter";
import { useTexts } from "../../app/language";
import { useTitle } from "../../app/title";
import { Slip } from "../../components/Slip";

export default function NotFound() {
  const { common } = useTexts();
  useTitle(common.notFound);
  return (
    <Slip title={common.notFound} lead={common.notFoundHint}>
      <Button component={Link} href="/" variant="default">
        {common.toStart}
      </Button>
    </Slip>
  );
}
