"""What HTTP needs whatever is asked: who, in which language, how often, and how a refusal looks."""
