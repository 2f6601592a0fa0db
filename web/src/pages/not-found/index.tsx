import { Button } from "@mantine/core";
import { Link } from "wouter";
import { useTexts } from "../../app/language";
import { Slip } from "../../components/Slip";

export default function NotFound() {
  const { common } = useTexts();
  return (
    <Slip title={common.notFound} lead={common.notFoundHint}>
      <Button component={Link} href="/" variant="default">
        {common.toStart}
      </Button>
    </Slip>
  );
}
